//! `peshub bench watch`: how fast a hub hands postings out, and how soon after their commit.

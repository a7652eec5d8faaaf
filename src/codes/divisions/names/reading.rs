//! Mentions that speak of one place.

use crate::codes::divisions::index::Kind;
use crate::codes::divisions::names::{Exactness, Mention};
use crate::codes::divisions::{Division, Level};

/// A way to read a text: a mention, and those after it that narrow or confirm what it names.
#[derive(Debug)]
pub(crate) struct Reading<'m, 'a> {
    mentions: Vec<&'m Mention<'a>>,
    kinds: Vec<Kind>,
    /// What the mentions can mean together.
    divisions: Vec<&'static Division>,
    /// Whether other places have or had the same name.
    preferred: bool,
    weight: u32,
}

/// Reads a text from one of its mentions on.
pub(crate) fn read<'m, 'a>(
    mentions: &'m [Mention<'a>],
    first: usize,
    within: Option<&'static Division>,
) -> Option<Reading<'m, 'a>> {
    let (mention, later) = mentions.get(first..)?.split_first()?;
    // The 朝阳 of 朝阳区 names no city.
    let before = first.checked_sub(1).and_then(|before| mentions.get(before));
    if before.is_some_and(|longer| longer.start == mention.start && longer.is_full()) {
        return None;
    }
    let mut reading = mention.names().find_map(|(kind, divisions)| {
        let mut divisions = divisions.to_vec();
        divisions.retain(|d| within.is_none_or(|within| d.lies_within(within)));
        let level = divisions.iter().map(|d| d.level()).min()?;
        let weight = mention.weight(kind, level)?;
        let (mentions, kinds) = (vec![mention], vec![kind]);
        Some(Reading { mentions, kinds, divisions, preferred: false, weight })
    })?;
    for mention in later {
        reading.take(mention);
    }
    reading.settle(within);
    Some(reading)
}

impl<'m, 'a> Reading<'m, 'a> {
    /// Returns how much speaks for the reading.
    pub(crate) fn weight(&self) -> u32 {
        if self.divisions.len() > 1 { self.weight.saturating_sub(3) } else { self.weight }
    }

    /// Returns what the reading can mean.
    pub(crate) fn candidates(&self) -> Vec<&'static Division> {
        self.divisions.clone()
    }

    /// Returns whether the reading is an item of a list such as 北京/上海, rather than prose.
    pub(crate) fn is_listed(&self) -> bool {
        let (first, last) = (self.mentions.first(), self.mentions.last());
        let is_item =
            first.is_some_and(|m| m.opens_item()) && last.is_some_and(|m| m.closes_item());
        let is_city = self.divisions.iter().all(|d| d.level() < Level::County);
        is_item && is_city && self.kinds.iter().all(|kind| *kind <= Kind::Short)
    }

    /// Returns how many characters its mentions have.
    pub(crate) fn chars(&self) -> usize {
        self.mentions.iter().map(|mention| mention.chars).sum()
    }

    /// Returns the part of the text from its first to its last mention.
    pub(crate) fn matched<'t>(&self, text: &'t str) -> &'t str {
        let (first, last) = (self.mentions.first(), self.mentions.last());
        first.zip(last).and_then(|(first, last)| text.get(first.start..last.end)).unwrap_or(text)
    }

    /// Returns how sure the reading is, by whether its mentions are all the text says.
    pub(crate) fn exactness(&self, covered: bool) -> Exactness {
        let opening = self.mentions.first().zip(self.kinds.first());
        let is_county = self.divisions.iter().all(|d| d.level() == Level::County);
        let alone = self.mentions.len() == 1;
        let guessed = opening
            .is_some_and(|(m, kind)| *kind == Kind::Short && is_county && alone && !m.closes());
        match self.kinds.iter().max() {
            _ if self.preferred || guessed => Exactness::Likely,
            _ if !covered => Exactness::Embedded,
            Some(Kind::Former | Kind::FormerShort) => Exactness::Former,
            Some(Kind::Short) => Exactness::Short,
            Some(Kind::Full) | None => Exactness::Full,
        }
    }

    /// Takes a later mention in where it speaks of the same place.
    fn take(&mut self, mention: &'m Mention<'a>) {
        let Some(last) = self.mentions.last() else { return };
        if mention.start < last.end {
            return;
        }
        let adjoins = mention.follows(last);
        for (kind, named) in mention.names() {
            let narrower: Vec<_> = named
                .iter()
                .copied()
                .filter(|d| self.divisions.iter().any(|s| d != s && d.lies_within(s)))
                .filter(|d| mention.refines(kind, d.level(), adjoins))
                .collect();
            if !narrower.is_empty() {
                return self.narrow(mention, kind, narrower, 2);
            }
            let confirmed: Vec<_> = self
                .divisions
                .iter()
                .copied()
                .filter(|s| named.iter().any(|d| s.lies_within(d)))
                .filter(|_| mention.refines(kind, Level::Province, adjoins))
                .collect();
            if !confirmed.is_empty() {
                return self.narrow(mention, kind, confirmed, 1);
            }
        }
    }

    fn narrow(
        &mut self,
        mention: &'m Mention<'a>,
        kind: Kind,
        divisions: Vec<&'static Division>,
        weight: u32,
    ) {
        self.mentions.push(mention);
        self.kinds.push(kind);
        self.divisions = divisions;
        self.weight += if kind == Kind::Full { weight + 1 } else { weight };
    }

    /// Prefers places that have the name to those that had it, and the larger of several that
    /// share a short name.
    fn settle(&mut self, within: Option<&'static Division>) {
        if let ([mention], [Kind::Full]) = (self.mentions.as_slice(), self.kinds.as_slice()) {
            let former = mention.names().filter(|(kind, _)| *kind == Kind::Former);
            self.preferred = former
                .flat_map(|(_, divisions)| divisions)
                .filter(|d| within.is_none_or(|within| d.lies_within(within)))
                .any(|d| !self.divisions.iter().any(|s| d.lies_within(s)));
        }
        if self.kinds.iter().any(|kind| *kind != Kind::Short) {
            return;
        }
        let highest = self.divisions.iter().map(|d| d.level()).min();
        let mut larger = self.divisions.iter().copied().filter(|d| Some(d.level()) == highest);
        if let (Some(larger), None) = (larger.next(), larger.next()) {
            self.preferred = self.divisions.iter().any(|d| !d.lies_within(larger));
            self.divisions = vec![larger];
        }
    }
}

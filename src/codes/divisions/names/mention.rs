//! Where in a text names of divisions stand.

use crate::codes::divisions::index::{Kind, NAME_CHARS_MAX, NAMES, Name};
use crate::codes::divisions::{Division, Level};

/// What follows a short name that a street bears, perhaps after a direction: 南京(东)路.
const STREETS: [&str; 8] = ["路", "街", "道", "巷", "弄", "大道", "大街", "桥"];
/// What follows a short name that an institution or a building bears: 中山大学.
const INSTITUTIONS: [&str; 26] = [
    "大厦", "大楼", "广场", "大桥", "中心", "公园", "文化", "大学", "学院", "中学", "小学", "医院",
    "银行", "证券", "保险", "机场", "酒店", "宾馆", "饭店", "集团", "公司", "科技", "国际", "金融",
    "商场", "超市",
];
const DIRECTIONS: [char; 5] = ['东', '西', '南', '北', '中'];

/// A name in a text.
#[derive(Debug)]
pub(crate) struct Mention<'a> {
    /// Offset of its first byte.
    pub(crate) start: usize,
    /// Offset after its last byte.
    pub(crate) end: usize,
    pub(crate) chars: usize,
    names: &'static [Name],
    /// The text before it and behind it.
    before: &'a str,
    rest: &'a str,
}

/// Returns the mentions in a text, in order of their beginning, at each the longest first.
pub(crate) fn scan(text: &str) -> Vec<Mention<'_>> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let bounds: Vec<usize> = ends.collect();
    let mut mentions = Vec::new();
    for (nth, start) in bounds.iter().enumerate() {
        let ends = bounds.iter().enumerate().skip(nth + 2).take(NAME_CHARS_MAX - 1).rev();
        mentions.extend(ends.filter_map(|(last, end)| at(text, *start, *end, last - nth)));
    }
    mentions
}

/// Returns how many characters of a text are not separators.
pub(crate) fn chars_of_names(text: &str) -> usize {
    text.chars().filter(|character| !separates(*character)).count()
}

impl Mention<'_> {
    /// Returns whether the text begins or a separator stands right before it.
    pub(crate) fn opens(&self) -> bool {
        self.before.chars().next_back().is_none_or(separates)
    }

    /// Returns whether the text ends or a separator stands right behind it.
    pub(crate) fn closes(&self) -> bool {
        self.rest.chars().next().is_none_or(separates)
    }

    /// Returns whether it begins the text or an item of a list such as 北京/上海.
    pub(crate) fn opens_item(&self) -> bool {
        self.before.trim_end().chars().next_back().is_none_or(lists)
    }

    /// Returns whether it ends the text or an item of a list.
    pub(crate) fn closes_item(&self) -> bool {
        self.rest.trim_start().chars().next().is_none_or(lists)
    }

    /// Returns the kinds of name the text is, the most telling first, with what they name.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Kind, &'static [&'static Division])> {
        self.names.iter().map(|name| (name.kind, name.divisions.as_slice()))
    }

    /// Returns whether the text is the official name of a division in force.
    pub(crate) fn is_full(&self) -> bool {
        self.names.iter().any(|name| name.kind == Kind::Full)
    }

    /// Returns whether nothing but separators stands between an earlier mention and this one.
    pub(crate) fn follows(&self, earlier: &Self) -> bool {
        let between =
            self.start.checked_sub(earlier.end).and_then(|bytes| earlier.rest.get(..bytes));
        between.is_some_and(|between| between.chars().all(separates))
    }

    /// Returns how much the mention tells where no other is taken into account, if anything.
    ///
    /// Weights only order readings: an official name outweighs a short one, and a short one that
    /// stands by itself one in the middle of words.
    pub(crate) fn weight(&self, kind: Kind, level: Level) -> Option<u32> {
        let alone = self.opens() && self.closes();
        let weight = match kind {
            // 东区, 忠县: as likely as not the middle of other words.
            Kind::Full | Kind::Former if self.chars < 3 => alone.then_some(4),
            Kind::Full => Some(6),
            Kind::Former => Some(5),
            Kind::Short if self.is_street() => None,
            Kind::Short if level == Level::Country => Some(1),
            Kind::Short if level == Level::County => {
                let bears_name = self.is_street_further_on() || self.is_institution(2);
                (self.opens() && !bears_name).then_some(if self.closes() { 3 } else { 1 })
            }
            // 上海广场 is in Shanghai more often than not, 中山大学 is not in Zhongshan.
            Kind::Short if self.is_institution(0) => {
                return (self.is_first() && !self.rest.starts_with("大学")).then_some(1);
            }
            Kind::Short => Some(if self.opens() { 4 } else { 2 }),
            Kind::FormerShort => alone.then_some(1),
        }?;
        // Addresses begin with the place.
        Some(if self.is_first() { weight + 3 } else { weight })
    }

    /// Returns whether the mention can be a place within the one named before it.
    pub(crate) fn refines(&self, kind: Kind, level: Level, adjoins: bool) -> bool {
        match kind {
            Kind::Full | Kind::Former => adjoins || self.chars > 2,
            Kind::Short if level == Level::County => {
                adjoins && !self.is_street() && !self.is_institution(2)
            }
            Kind::Short => !self.is_street() && !self.is_institution(0),
            Kind::FormerShort => adjoins && self.closes(),
        }
    }

    /// Returns whether nothing but separators stands before it.
    fn is_first(&self) -> bool {
        self.before.chars().all(separates)
    }

    fn is_street(&self) -> bool {
        let undirected = self.rest.strip_prefix(DIRECTIONS).unwrap_or(self.rest);
        STREETS.iter().any(|street| undirected.starts_with(street))
    }

    /// Returns whether a street's name goes on behind the mention: 安定门东大街.
    fn is_street_further_on(&self) -> bool {
        self.goes_on(5, &STREETS)
    }

    /// Returns whether an institution's name goes on behind the mention, some characters on at most.
    fn is_institution(&self, chars_between_max: usize) -> bool {
        self.goes_on(chars_between_max, &INSTITUTIONS)
    }

    fn goes_on(&self, chars_between_max: usize, words: &[&str]) -> bool {
        let token = self.rest.split(separates).next().unwrap_or_default();
        token.char_indices().take(chars_between_max + 1).any(|(at, _)| {
            token.get(at..).is_some_and(|rest| words.iter().any(|word| rest.starts_with(word)))
        })
    }
}

fn at(text: &str, start: usize, end: usize, chars: usize) -> Option<Mention<'_>> {
    let names = NAMES.get(text.get(start..end)?)?;
    let (before, rest) = (text.get(..start)?, text.get(end..)?);
    Some(Mention { start, end, chars, names, before, rest })
}

fn lists(character: char) -> bool {
    matches!(character, '/' | '、' | ',' | '，' | ';' | '；' | '|' | '&' | '+')
}

fn separates(character: char) -> bool {
    !character.is_alphanumeric()
}

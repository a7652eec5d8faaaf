//! Finding divisions by the names and addresses people write.
//!
//! Importers meet 浙江省杭州市西湖区文三路, 杭州·西湖区, 西湖, 萧山市 and "Stockholms län". The text is
//! read for mentions of divisions; mentions that fit into one another form a reading (杭州, 西湖区
//! within it), and the reading with the strongest mentions wins. A name without its suffix is
//! common in prose, so it counts where it opens the text or follows a separator, and not where a
//! street or an institution bears it (南京东路, 中山大学).

use std::cmp::Reverse;

use crate::codes::divisions::names::mention::Mention;
use crate::codes::divisions::names::reading::Reading;
use crate::codes::divisions::{Division, Level, subdivisions};

mod mention;
mod reading;

/// Most characters of a text that are read; places are named early.
pub const TEXT_CHARS_MAX: usize = 200;

/// What a name or address turned out to mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMatch<'a> {
    /// One division, the smallest that the text names.
    Found {
        /// The division.
        division: &'static Division,
        /// The part of the text that names it, from its first to its last mention.
        matched: &'a str,
        /// How much of the text was needed and how it was read.
        exactness: Exactness,
    },
    /// Several divisions of the same name, or a list of several; in code order.
    Ambiguous {
        /// The divisions; two at least.
        candidates: Vec<&'static Division>,
    },
    /// No division is named.
    NotFound,
}

/// How a text was read, from the surest to the least sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exactness {
    /// Official names and nothing else.
    Full,
    /// Names and nothing else, some without their suffix.
    Short,
    /// Names and nothing else, some of them former ones.
    Former,
    /// Names with other text around, as in an address.
    Embedded,
    /// A short name that smaller places elsewhere share (海南: the province, not the district of
    /// Wuhai), a name that another place had until a change (江北区), or a county's short name with
    /// other text behind it (浦东张江).
    Likely,
}

/// Finds the division of China that a name or address means.
///
/// `within` is what is known from elsewhere: the city a platform gives in a field of its own. Only
/// divisions within it are found. Of the text, the first [`TEXT_CHARS_MAX`] characters count.
#[must_use]
pub fn find<'a>(text: &'a str, within: Option<&'static Division>) -> NameMatch<'a> {
    let end = text.char_indices().nth(TEXT_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let text = text.get(..end).unwrap_or(text);
    let mentions = mention::scan(text);
    let mut readings: Vec<Reading<'_, 'a>> =
        (0..mentions.len()).filter_map(|first| reading::read(&mentions, first, within)).collect();
    // A stable sort: of equals, the one that begins first stays first.
    readings.sort_by_key(|reading| Reverse(reading.weight()));
    let Some(best) = readings.first() else { return NameMatch::NotFound };
    let mut candidates = best.candidates();
    if best.is_listed() {
        let others = readings.iter().filter(|other| other.is_listed());
        candidates.extend(others.flat_map(|other| apart(other, best)));
    }
    candidates.sort_by_key(|division| division.code());
    candidates.dedup();
    if let [division] = *candidates {
        let covered = best.chars() == mention::chars_of_names(text);
        // A whole country is meant only where nothing else is said: not by 中国银行.
        if division.level() == Level::Country && !covered {
            return NameMatch::NotFound;
        }
        let matched = best.matched(text);
        return NameMatch::Found { division, matched, exactness: best.exactness(covered) };
    }
    NameMatch::Ambiguous { candidates }
}

/// Finds a subdivision by its country (ISO 3166-1 alpha-2) and its name or code.
///
/// Upper and lower case and the marks on Latin letters do not matter, nor do words such as "län"
/// or "County" behind the name: Stockholm, Stockholms län and AB are one. In China, names in Latin
/// letters name provinces; Chinese names are found as by [`find`].
#[must_use]
pub fn find_subdivision<'a>(country: &str, name: &'a str) -> NameMatch<'a> {
    subdivisions::find(country, name)
}

/// Returns the candidates of a reading that speaks of another place altogether.
fn apart<'a>(
    other: &'a Reading<'_, '_>,
    best: &'a Reading<'_, '_>,
) -> impl Iterator<Item = &'static Division> + 'a {
    let is_apart = |division: &&'static Division| {
        let best = best.candidates();
        !best.iter().any(|b| b.lies_within(division) || division.lies_within(b))
    };
    other.candidates().into_iter().filter(move |division| is_apart(division))
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::names::{NameMatch, find};
    use crate::codes::divisions::{Scheme, lookup};

    #[test]
    fn names_are_found_as_people_write_them() {
        check("浙江省", "330000 Full");
        check("杭州市", "330100 Full");
        check("浙江省杭州市西湖区", "330106 Full");
        check("杭州", "330100 Short");
        check("广西", "450000 Short");
        check("延边", "222400 Short");
        check("内蒙古", "150000 Short");
        check("巴音郭楞", "652800 Short");
        check("海淀", "110108 Short");
        check("济源", "419001 Short");
        check("杭州市西湖区文三路90号", "330106 Embedded");
        check("广东省广州市海珠区新港东路万胜广场C塔", "440105 Embedded");
        check("广东省广州市天河区广州市天河区天河北路179号", "440106 Embedded");
        check("杭州·西湖区", "330106 Short");
        check("上海-浦东新区", "310115 Short");
        check("深圳-南山区", "440305 Short");
        check("深圳 南山", "440305 Short");
        check("北京海淀区辉煌国际1号楼", "110108 Embedded");
        check("西湖区，杭州", "330106 Short");
        check("中国", "CN Short");
        check("重庆市忠县", "500233 Full");
    }

    #[test]
    fn a_district_alone_is_found_where_its_name_is_unique() {
        check("海淀区知春路6号", "110108 Embedded");
        check("番禺区保利大都会C1", "440113 Embedded");
        check("浦东张江高科", "310115 Likely");
        check("鼓楼区", "ambiguous 320106 320302 350102 410204");
        check("朝阳区", "ambiguous 110105 220104");
        check_within("朝阳区", "110000", "110105 Full");
        check_within("西湖", "330100", "330106 Short");
        check_within("上海", "330100", "none");
        check("南京 鼓楼区", "320106 Short");
        check("鼓楼区 徐州市", "320302 Full");
    }

    #[test]
    fn the_larger_place_is_meant_by_a_shared_short_name() {
        check("海南", "460000 Likely");
        check("西安", "610100 Likely");
        check("吉林", "220000 Short");
        check("喀什", "653100 Short");
    }

    #[test]
    fn streets_and_institutions_are_no_places() {
        check("南京东路100号", "none");
        check("上海南京东路100号", "310000 Embedded");
        check("中山大学 广州", "440100 Embedded");
        check("中国储能大厦", "none");
        check("天河北路685号", "none");
        check("南京市中山路1号", "320100 Embedded");
        check("东方大厦", "none");
        check("安定门东大街28号", "none");
        check("新港西路135号中山大学科技园B座", "none");
        check("", "none");
        check("软件产业基地5栋", "none");
    }

    #[test]
    fn former_names_lead_to_their_successors() {
        check("萧山市", "330109 Former");
        check("襄樊市", "420600 Former");
        check("襄樊", "420600 Former");
        check("杭州 江干区", "330102 Former");
        check("上海-闸北区", "310106 Former");
        check("北京市崇文区", "110101 Former");
        check("重庆市江北区", "500157 Former");
        // Ningbo's in force, Chongqing's until 2025.
        check("江北区", "330205 Likely");
        check("巢湖地区", "ambiguous 340100 340200 340500");
    }

    #[test]
    fn a_list_of_cities_is_ambiguous() {
        check("北京/上海/深圳", "ambiguous 110000 310000 440300");
        check("广东省深圳市南山区 深圳", "440305 Short");
        check("全国", "CN Short");
        check("全国连锁", "none");
        check("北京、杭州市", "ambiguous 110000 330100");
        // 潍坊 is a quarter of Shanghai as well.
        check("上海-潍坊", "310000 Embedded");
    }

    #[test]
    fn matched_is_what_names_the_division() {
        let NameMatch::Found { matched, .. } = find("地址：杭州市 西湖区文三路90号", None)
        else {
            panic!("not found");
        };
        assert_eq!(matched, "杭州市 西湖区");
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(shown(&find(text, None)), expected, "{text}");
    }

    fn check_within(text: &str, within: &str, expected: &str) {
        let within = lookup(Scheme::GbT2260, within);
        assert_eq!(shown(&find(text, within)), expected, "{text}");
    }

    fn shown(found: &NameMatch<'_>) -> String {
        match found {
            NameMatch::Found { division, exactness, .. } => {
                format!("{} {exactness:?}", division.code())
            }
            NameMatch::Ambiguous { candidates } => candidates
                .iter()
                .fold("ambiguous".to_owned(), |shown, division| shown + " " + division.code()),
            NameMatch::NotFound => "none".to_owned(),
        }
    }
}

//! A strict reader of Prometheus' text format, version 0.0.4: what it does not know for sound, it refuses.

use std::collections::{BTreeMap, BTreeSet};

/// A family of samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a text. Every family has its HELP and its TYPE before its samples and stands in one piece; nothing comes twice; histograms rise
/// and end with `+Inf`, which is their count.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut series = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(format!("no help: {line}"))?;
            if families.contains_key(name) {
                return Err(format!("{name} comes twice"));
            }
            check_name(name)?;
            let family = Family { help: help.to_owned(), ..Family::default() };
            families.insert(name.to_owned(), family);
            current = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(format!("no type: {line}"))?;
            if current.as_deref() != Some(name)
                || !["counter", "gauge", "histogram"].contains(&kind)
            {
                return Err(format!("a type that has no place here: {line}"));
            }
            kind.clone_into(&mut families.get_mut(name).ok_or("no family")?.kind);
        } else if line.starts_with('#') || line.is_empty() {
            return Err(format!("neither HELP nor TYPE nor a sample: {line:?}"));
        } else {
            let sample = sample(line)?;
            let name = current.as_deref().ok_or(format!("a sample of no family: {line}"))?;
            let family = families.get_mut(name).ok_or("no family")?;
            check_member(name, &family.kind, &sample)?;
            if !series.insert((sample.name.clone(), sample.labels.clone())) {
                return Err(format!("a sample comes twice: {line}"));
            }
            family.samples.push(sample);
        }
    }
    for (name, family) in &families {
        if family.kind.is_empty() || family.samples.is_empty() || family.help.is_empty() {
            return Err(format!("{name} has no type, no help or no sample"));
        }
        if family.kind == "histogram" {
            check_histogram(name, family)?;
        }
    }
    Ok(families)
}

fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|it| it.is_ascii_alphabetic() || it == '_');
    if first && letters.all(|it| it.is_ascii_alphanumeric() || it == '_') {
        return Ok(());
    }
    Err(format!("{name:?} is no name"))
}

fn check_member(name: &str, kind: &str, sample: &Sample) -> Result<(), String> {
    let suffix = sample.name.strip_prefix(name).ok_or(format!("{} in {name}", sample.name))?;
    let is_right = match kind {
        "histogram" => match suffix {
            "_bucket" => sample.labels.contains_key("le"),
            "_sum" | "_count" => !sample.labels.contains_key("le"),
            _ => false,
        },
        "counter" => suffix.is_empty() && sample.value >= 0.0,
        _ => suffix.is_empty(),
    };
    if is_right { Ok(()) } else { Err(format!("{sample:?} is no sample of a {kind} {name}")) }
}

fn sample(line: &str) -> Result<Sample, String> {
    let (series, value) = line.rsplit_once(' ').ok_or(format!("no value: {line}"))?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" | "NaN" => return Err(format!("no value that is measured: {line}")),
        number => number.parse().map_err(|_| format!("no number: {line}"))?,
    };
    let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
    check_name(name)?;
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_suffix('}').ok_or(format!("no end of labels: {line}"))?;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").ok_or(format!("no label: {line}"))?;
        check_name(label)?;
        let (text, after) = quoted(after).ok_or(format!("a value without an end: {line}"))?;
        if labels.insert(label.to_owned(), text).is_some() {
            return Err(format!("a label twice: {line}"));
        }
        rest = match after.strip_prefix(',') {
            Some(more) => more,
            None if after.is_empty() => after,
            None => return Err(format!("what follows a label: {line}")),
        };
    }
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// Returns a value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                it @ ('"' | '\\') => it,
                _ => return None,
            }),
            it => value.push(it),
        }
    }
    None
}

fn check_histogram(name: &str, family: &Family) -> Result<(), String> {
    let mut by_series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    let of = |suffix: &str| {
        let name = format!("{name}{suffix}");
        family.samples.iter().filter(move |it| it.name == name)
    };
    for bucket in of("_bucket") {
        let mut labels = bucket.labels.clone();
        let bound = labels.remove("le").ok_or("no bound")?;
        let bound =
            if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| bound)? };
        by_series.entry(labels).or_default().push((bound, bucket.value));
    }
    for (labels, buckets) in &by_series {
        let rises = buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
        let count =
            of("_count").find(|it| it.labels == *labels).ok_or(format!("{name}: no count"))?;
        of("_sum").find(|it| it.labels == *labels).ok_or(format!("{name}: no sum"))?;
        if !rises || buckets.last() != Some(&(f64::INFINITY, count.value)) {
            return Err(format!("{name}{labels:?}: buckets do not rise to +Inf"));
        }
    }
    Ok(())
}

#[test]
fn what_is_sound_is_read() {
    let text = "# HELP a_total How many.\n# TYPE a_total counter\na_total{b=\"c \\\"d\\\"\",e=\"\"} 3\na_total 4\n\
                # HELP h Time.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3.5\nh_count 2\n";
    let families = parse(text).unwrap();
    assert_eq!(families["a_total"].samples[0].labels["b"], "c \"d\"");
    assert_eq!(families["h"].samples.len(), 4);
}

#[test]
fn what_is_not_is_refused() {
    let head = "# HELP a_total How many.\n# TYPE a_total counter\n";
    let histogram = "# HELP h Time.\n# TYPE h histogram\n";
    for wrong in [
        "a_total 1\n".to_owned(),
        format!("{head}a_total 1"),
        format!("{head}a_total -1\n"),
        format!("{head}a_total one\n"),
        format!("{head}a_total NaN\n"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total 1\na_total 2\n"),
        format!("{head}a_total{{b=\"c\" 1\n"),
        format!("{head}a_total{{b=\"c\",b=\"d\"}} 1\n"),
        format!("{head}a_total{{b-c=\"d\"}} 1\n"),
        format!("{head}a_total{{b=\"\\c\"}} 1\n"),
        format!("{head}a_total 1\n{head}a_total{{b=\"c\"}} 2\n"),
        format!("{head}a_total 1\n\n"),
        "# HELP a_total How many.\na_total 1\n".to_owned(),
        "# HELP a_total How many.\n# TYPE a_total summary\na_total 1\n".to_owned(),
        head.to_owned(),
        format!("{histogram}h_bucket{{le=\"0.5\"}} 1\nh_sum 1\nh_count 1\n"),
        format!(
            "{histogram}h_bucket{{le=\"0.5\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 1\nh_count 2\n"
        ),
        format!("{histogram}h_bucket{{le=\"+Inf\"}} 2\nh_sum 1\nh_count 3\n"),
        format!("{histogram}h_bucket{{le=\"+Inf\"}} 2\nh_count 2\n"),
        format!("{histogram}h 2\n"),
    ] {
        assert!(parse(&wrong).is_err(), "{wrong}");
    }
}

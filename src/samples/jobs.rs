//! What work there is: occupations with the words of their postings.

use std::sync::LazyLock;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::samples::fields::Field;

mod professions;
mod services;
mod trades;

/// One occupation and the words its postings are made of.
#[derive(Debug)]
pub(crate) struct Job {
    /// Code of CSCO 2022.
    pub(crate) csco: &'static str,
    /// Code of ISCO-08.
    pub(crate) isco: &'static str,
    /// How frequent it is among the jobs of its major group.
    pub(crate) weight: u64,
    /// What it has in common with others.
    pub(crate) field: Field,
    /// What platforms call it.
    pub(crate) titles: &'static [&'static str],
    /// What is to be done.
    pub(crate) duties: &'static [&'static str],
    /// What one must know.
    pub(crate) skills: &'static [&'static str],
    /// What one must hold.
    pub(crate) licences: &'static [&'static str],
}

/// Shares of the major groups of CSCO 2022 among 2,947 labelled titles of real postings, in
/// hundredths of a per cent.
const MAJOR_GROUPS: [(char, u64); 7] =
    [('1', 132), ('2', 4014), ('3', 258), ('4', 4472), ('5', 20), ('6', 1069), ('8', 34)];

static JOBS: LazyLock<Jobs> = LazyLock::new(Jobs::load);

struct Jobs {
    all: Vec<&'static Job>,
    /// Sums of the weights up to and with each job.
    sums: Vec<u64>,
}

impl Jobs {
    fn load() -> Self {
        let tables = [professions::JOBS, services::JOBS, trades::JOBS];
        let all: Vec<&'static Job> = tables.into_iter().flatten().collect();
        let mut sums = Vec::with_capacity(all.len());
        let mut sum = 0;
        for job in &all {
            sum += share(job, &all);
            sums.push(sum);
        }
        Self { all, sums }
    }
}

/// Returns a job's share of all postings, in millionths of a per cent.
fn share(job: &Job, all: &[&Job]) -> u64 {
    let group = job.csco.chars().next();
    let of_group = MAJOR_GROUPS.iter().find(|(major, _)| Some(*major) == group);
    let weights: u64 = all
        .iter()
        .filter(|other| other.csco.chars().next() == group)
        .map(|other| other.weight)
        .sum();
    of_group.map_or(0, |(_, share)| share * 10_000 * job.weight / weights.max(1))
}

/// Returns a job as often as real postings have it.
pub(crate) fn draw(rng: &mut StdRng) -> Option<&'static Job> {
    let total = JOBS.sums.last().copied().filter(|total| *total > 0)?;
    let at = rng.random_range(0..total);
    let index = JOBS.sums.partition_point(|sum| *sum <= at);
    JOBS.all.get(index).copied()
}

#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Job> {
    JOBS.all.iter().copied()
}

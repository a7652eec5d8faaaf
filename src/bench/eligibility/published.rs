//! The project's own programmes, for measurements: those of all countries, made to hold in one division, or those of China as they are.

use crate::bench::BenchError;
use crate::json::programme as file;
use crate::pb::peshub::common::v1::{Division, DivisionScheme};
use crate::pb::peshub::subsidies::v1 as pb;

const CATALOGUE: &str = include_str!("../../../programmes/catalogue.yaml");
const PROGRAMMES: [&str; 15] = [
    include_str!("../../../programmes/cn.expansion-grant.yaml"),
    include_str!("../../../programmes/cn.flex-social-insurance.yaml"),
    include_str!("../../../programmes/cn.internship-subsidy.yaml"),
    include_str!("../../../programmes/cn.job-stability-refund.yaml"),
    include_str!("../../../programmes/cn.skill-upgrade.yaml"),
    include_str!("../../../programmes/cn.startup-subsidy.luan.yaml"),
    include_str!("../../../programmes/de.egz.yaml"),
    include_str!("../../../programmes/fr.acre.yaml"),
    include_str!("../../../programmes/fr.apprentice-aid.yaml"),
    include_str!("../../../programmes/fr.hire-sme-2016.yaml"),
    include_str!("../../../programmes/kr.youth-leap-1.yaml"),
    include_str!("../../../programmes/sg.eec.yaml"),
    include_str!("../../../programmes/sg.sec.yaml"),
    include_str!("../../../programmes/uk.kickstart.yaml"),
    include_str!("../../../programmes/us.wotc.yaml"),
];

/// Returns the catalogue of facts.
///
/// # Errors
///
/// The file cannot be read.
pub fn facts() -> Result<Vec<pb::FactDefinition>, BenchError> {
    file::read_facts(CATALOGUE).map_err(wrong)
}

/// Returns all programmes, made to hold in China and without overlays.
///
/// # Errors
///
/// A file cannot be read.
pub fn everywhere() -> Result<Vec<pb::Programme>, BenchError> {
    let own = |programme: pb::Programme| pb::Programme {
        divisions: vec![china()],
        overlays: Vec::new(),
        ..programme
    };
    Ok(all()?.into_iter().map(own).collect())
}

/// Returns the programmes of the nation.
///
/// # Errors
///
/// A file cannot be read.
pub fn of_china() -> Result<Vec<pb::Programme>, BenchError> {
    let is_own = |it: &pb::Programme| it.name.starts_with("cn.") && it.overlays.is_empty();
    let own = |it| pb::Programme { divisions: vec![china()], ..it };
    Ok(all()?.into_iter().filter(is_own).map(own).collect())
}

fn all() -> Result<Vec<pb::Programme>, BenchError> {
    PROGRAMMES.iter().map(|text| file::read(text).map_err(wrong)).collect()
}

fn china() -> Division {
    Division { scheme: DivisionScheme::Iso31662.into(), code: "CN".to_owned(), name: String::new() }
}

fn wrong(error: impl std::fmt::Display) -> BenchError {
    BenchError::Wrong(error.to_string())
}

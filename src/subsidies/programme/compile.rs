//! From what is written to what answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::{Catalogue, Day};
use crate::subsidies::evaluator::Scope;
use crate::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Which};
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::programme::vary::Marks;
use crate::subsidies::programme::{
    CompiledProgramme, CompiledVersion, Deadline, Exclusion, KeyPart, OncePer, Shown, Variant,
    Window, structure,
};
use crate::subsidies::wire;

impl CompiledProgramme {
    /// Compiles a programme. Cases are not run, see [`crate::subsidies::programme::cases`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place.
    pub fn compile(programme: &pb::Programme, catalogue: &Catalogue) -> Result<Self, Vec<Finding>> {
        let mut found = structure::findings(programme, catalogue);
        // Fewer cases than there must be keep a programme from being published, not from answering.
        found.retain(|finding| finding.kind != pb::FindingKind::CasesMissing);
        if found.iter().any(|finding| finding.kind == pb::FindingKind::TooLarge) {
            return Err(found);
        }
        let mut compiler = Compiler { programme, catalogue, found };
        let mut versions: Vec<_> =
            (0..programme.versions.len()).filter_map(|index| compiler.version(index)).collect();
        versions.sort_by_key(|version| version.from);
        let deadlines =
            (0..programme.deadlines.len()).filter_map(|index| compiler.deadline(index)).collect();
        if !compiler.found.is_empty() {
            return Err(compiler.found);
        }
        Ok(Self::assembled(programme, catalogue, versions, deadlines))
    }

    fn assembled(
        programme: &pb::Programme,
        catalogue: &Catalogue,
        versions: Vec<CompiledVersion>,
        deadlines: Vec<Deadline>,
    ) -> Self {
        let key = |names: &[String]| names.iter().map(|name| KeyPart::of(name)).collect();
        let once_per = programme.once_per.iter().map(|once| OncePer {
            key: key(&once.key),
            window: match once.window() {
                pb::ClaimWindow::CalendarYears => Window::CalendarYears(once.length),
                pb::ClaimWindow::Months => Window::Months(once.length),
                pb::ClaimWindow::Unspecified | pb::ClaimWindow::Forever => Window::Forever,
            },
        });
        let exclusive_with = programme.exclusive_with.iter().map(|other| Exclusion {
            programme: other.programme.as_str().into(),
            key: key(&other.key),
        });
        let mut made = Self {
            name: programme.name.as_str().into(),
            payee: programme.payee(),
            currency: programme.currency.as_str().into(),
            divisions: programme.divisions.iter().filter_map(wire::division).collect(),
            select: programme.select.as_str().into(),
            holds_after_end: programme.after_end() == pb::AfterEnd::Hold,
            rounding: programme.rounding(),
            is_discretionary: programme.discretionary,
            is_proactive: programme.proactive,
            appeal_days: programme.appeal_days,
            once_per: once_per.collect(),
            exclusive_with: exclusive_with.collect(),
            deadlines,
            versions,
            facts: Arc::from([]),
            moving: Vec::new(),
            marks: marks(programme),
            shown_by: HashMap::new(),
        };
        let facts = made.read_facts();
        let is_moving = |name: &&Arc<str>| catalogue.get(name).is_some_and(|it| it.stated_by_hub);
        made.moving = facts.iter().filter(is_moving).cloned().collect();
        made.facts = facts.into_iter().collect();
        made
    }

    /// Returns every fact that something of it reads, in order of their names.
    fn read_facts(&self) -> BTreeSet<Arc<str>> {
        let mut facts: BTreeSet<Arc<str>> = [Arc::clone(&self.select)].into();
        for version in &self.versions {
            for variant in version.overlays.values().chain([&version.base]) {
                let rules = [&variant.rule].into_iter().chain(&variant.clawback);
                facts.extend(rules.flat_map(|rule| rule.facts()).map(|it| Arc::clone(&it.name)));
            }
        }
        for deadline in &self.deadlines {
            facts.insert(Arc::clone(&deadline.filed_on));
            facts.extend(deadline.rule.facts().iter().map(|it| Arc::clone(&it.name)));
        }
        let once = self.once_per.iter().flat_map(|once| &once.key);
        let exclusive = self.exclusive_with.iter().flat_map(|other| &other.key);
        for part in once.chain(exclusive) {
            if let KeyPart::Fact(name) = part {
                facts.insert(Arc::clone(name));
            }
        }
        facts
    }

    /// Says how facts can be shown, as their definitions have it.
    #[must_use]
    pub fn shown_by(mut self, definitions: &[pb::FactDefinition]) -> Self {
        for definition in definitions {
            let mut types: Vec<_> =
                definition.claims.iter().map(|claim| claim.type_name.clone()).collect();
            types.sort_unstable();
            types.dedup();
            let shown = Shown { evidence: definition.evidence.clone(), credential_types: types };
            self.shown_by.insert(definition.name.as_str().into(), shown);
        }
        self
    }
}

/// Parameters of a version: their names, and their values in the same order.
struct Parameters {
    names: Vec<Arc<str>>,
    values: Vec<i64>,
}

impl Parameters {
    /// Those of the programme, with the version's before them.
    fn of(programme: &pb::Programme, version: Option<&pb::Version>) -> Self {
        let mut parameters = Self { names: Vec::new(), values: Vec::new() };
        let own = version.map(|version| version.parameters.as_slice()).unwrap_or_default();
        for parameter in own.iter().chain(&programme.parameters) {
            if parameters.names.iter().all(|name| name.as_ref() != parameter.name) {
                parameters.names.push(parameter.name.as_str().into());
                parameters.values.push(parameter.value);
            }
        }
        parameters
    }

    /// The values with an overlay's in their place.
    fn overlaid(&self, overlay: &pb::Overlay) -> Arc<[i64]> {
        let value = |(name, value): (&Arc<str>, &i64)| {
            let own = overlay.parameters.iter().find(|own| own.name == name.as_ref());
            own.map_or(*value, |own| own.value)
        };
        self.names.iter().zip(&self.values).map(value).collect()
    }
}

/// Returns the constants of every expression of a programme.
fn marks(programme: &pb::Programme) -> Marks {
    let mut marks = Marks::default();
    for version in &programme.versions {
        version.criteria.iter().for_each(|criterion| marks.read(&criterion.expression));
        marks.read(&version.amount);
    }
    for overlay in &programme.overlays {
        overlay.widened.iter().for_each(|criterion| marks.read(&criterion.expression));
    }
    marks
}

struct Compiler<'a> {
    programme: &'a pb::Programme,
    catalogue: &'a Catalogue,
    found: Vec<Finding>,
}

impl Compiler<'_> {
    fn version(&mut self, index: usize) -> Option<CompiledVersion> {
        let version = self.programme.versions.get(index)?;
        let parameters = Parameters::of(self.programme, Some(version));
        let at = format!("versions[{index}]");
        let rule = self.rule(version, &[], &parameters, (&at, ""));
        let clawback = self.amount(&version.clawback, &parameters, &format!("{at}.clawback"));
        let base = Variant {
            rule: rule?,
            clawback,
            values: parameters.values.as_slice().into(),
            overlay: None,
        };
        let overlays = self.overlays(version, &base, &parameters);
        Some(CompiledVersion {
            name: version.name.as_str().into(),
            from: Day::read(&version.from)?,
            to: Day::read(&version.to)?,
            criteria: version.criteria.iter().map(|it| it.id.as_str().into()).collect(),
            parameters: parameters.names,
            base,
            overlays,
        })
    }

    /// Compiles the overlays of a version; one that names it comes before one for all.
    fn overlays(
        &mut self,
        version: &pb::Version,
        base: &Variant,
        parameters: &Parameters,
    ) -> HashMap<&'static str, Variant> {
        let mut overlays = HashMap::new();
        for is_named in [false, true] {
            for (index, overlay) in self.programme.overlays.iter().enumerate() {
                let wanted = if is_named { version.name.as_str() } else { "" };
                let division: Option<&'static Division> =
                    overlay.division.as_ref().and_then(wire::division);
                let Some(division) = division.filter(|_| overlay.version == wanted) else {
                    continue;
                };
                let mut variant = Variant {
                    values: parameters.overlaid(overlay),
                    overlay: Some(division),
                    ..base.clone()
                };
                if !overlay.widened.is_empty() {
                    let at = format!("overlays[{index}]");
                    let rule = self.rule(version, &overlay.widened, parameters, ("", &at));
                    let Some(rule) = rule else { continue };
                    variant.rule = rule;
                }
                overlays.insert(division.token(), variant);
            }
        }
        overlays
    }

    /// Compiles a rule; what is wrong is noted under the version's path, or the overlay's where it is about what that one widens.
    fn rule(
        &mut self,
        version: &pb::Version,
        widened: &[pb::Criterion],
        parameters: &Parameters,
        (at, overlay): (&str, &str),
    ) -> Option<Arc<Rule>> {
        let wider: Vec<Vec<&str>> = (version.criteria.iter())
            .map(|criterion| {
                let own = widened.iter().filter(|it| it.id == criterion.id);
                own.map(|it| it.expression.as_str()).collect()
            })
            .collect();
        let criteria: Vec<_> = (version.criteria.iter().zip(&wider))
            .map(|(criterion, wider)| CriterionSource { expression: &criterion.expression, wider })
            .collect();
        let source = RuleSource { criteria: &criteria, amount: Some(&version.amount) };
        match Rule::compile(&source, &self.scope(parameters)) {
            Ok(rule) => Some(Arc::new(rule)),
            Err(defects) => {
                for (which, defect) in defects {
                    let field = field(which, version, widened, (at, overlay));
                    self.found.extend(field.map(|field| Finding::of_defect(field, defect)));
                }
                None
            }
        }
    }

    fn scope<'a>(&'a self, parameters: &'a Parameters) -> Scope<'a> {
        Scope { catalogue: self.catalogue, parameters: &parameters.names }
    }

    /// Compiles an expression that is an amount by itself; nothing when it is empty.
    fn amount(&mut self, amount: &str, parameters: &Parameters, at: &str) -> Option<Arc<Rule>> {
        let amount = Some(amount).filter(|it| !it.is_empty());
        amount?;
        self.single(&RuleSource { criteria: &[], amount }, parameters, at)
    }

    /// Compiles a rule of one expression.
    fn single(
        &mut self,
        source: &RuleSource<'_>,
        parameters: &Parameters,
        at: &str,
    ) -> Option<Arc<Rule>> {
        match Rule::compile(source, &self.scope(parameters)) {
            Ok(rule) => Some(Arc::new(rule)),
            Err(defects) => {
                let findings = defects.into_iter().map(|(_, it)| Finding::of_defect(at, it));
                self.found.extend(findings);
                None
            }
        }
    }

    fn deadline(&mut self, index: usize) -> Option<Deadline> {
        let deadline = self.programme.deadlines.get(index)?;
        let parameters = Parameters::of(self.programme, None);
        let at = format!("deadlines[{index}].expression");
        let criteria = [CriterionSource { expression: &deadline.expression, wider: &[] }];
        let source = RuleSource { criteria: &criteria, amount: None };
        let rule = self.single(&source, &parameters, &at)?;
        let values = parameters.values.as_slice().into();
        let (id, filed_on) = (deadline.id.as_str().into(), deadline.filed_on.as_str().into());
        Some(Deadline { id, filed_on, rule, values })
    }
}

/// Returns the path of an expression. What is wrong with a version itself is not said again of each of its overlays.
fn field(
    which: Which,
    version: &pb::Version,
    widened: &[pb::Criterion],
    (at, overlay): (&str, &str),
) -> Option<String> {
    match which {
        Which::Wider(index, _) => {
            let id = &version.criteria.get(index)?.id;
            let place = widened.iter().position(|it| it.id == *id)?;
            Some(format!("{overlay}.widened[{place}].expression"))
        }
        _ if at.is_empty() => None,
        Which::Criterion(index) => Some(format!("{at}.criteria[{index}].expression")),
        Which::Amount => Some(format!("{at}.amount")),
    }
}

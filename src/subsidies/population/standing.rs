//! How a subject stood when it was swept last, programme by programme, as compact as its facts.

use crate::subsidies::domain::Day;
use crate::subsidies::population::code::{Input, put_count, put_signed};

const VERSION: u8 = 1;
/// Stands beside the verdict of what was offered.
const OFFERED: u8 = 0x80;
/// Stands beside the verdict where a day follows until which it is taken.
const TAKEN: u8 = 0x40;
/// The day until which something is taken for good.
pub const FOREVER: Day = Day(i32::MAX);

/// How a subject stands with a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// Which programme.
    pub programme: i64,
    /// Number of the edition that answered.
    pub edition: i64,
    /// Number of the verdict in the contract.
    pub verdict: u8,
    /// The least amount, in minor units; 0 without one.
    pub least: i64,
    /// The greatest amount.
    pub greatest: i64,
    /// Whether it was offered, and the subject has stayed eligible since.
    pub offered: bool,
    /// Until when it is taken, exclusive, where a claim stands in the way.
    pub taken_until: Option<Day>,
}

/// How a subject stands, in order of the programmes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing(Vec<Stood>);

impl Standing {
    /// Returns all of it.
    #[must_use]
    pub fn all(&self) -> &[Stood] {
        &self.0
    }

    /// Returns how it stands with a programme.
    #[must_use]
    pub fn of(&self, programme: i64) -> Option<&Stood> {
        let place = self.0.binary_search_by_key(&programme, |it| it.programme).ok()?;
        self.0.get(place)
    }

    /// Says how it stands with a programme; returns what stood there before.
    pub fn put(&mut self, stood: Stood) -> Option<Stood> {
        match self.0.binary_search_by_key(&stood.programme, |it| it.programme) {
            Ok(place) => self.0.get_mut(place).map(|before| std::mem::replace(before, stood)),
            Err(place) => {
                self.0.insert(place, stood);
                None
            }
        }
    }

    /// Forgets how it stands with a programme; returns what stood there before.
    pub fn forget(&mut self, programme: i64) -> Option<Stood> {
        let place = self.0.binary_search_by_key(&programme, |it| it.programme).ok()?;
        Some(self.0.remove(place))
    }

    /// Returns it encoded.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.0.len() * 12);
        out.push(VERSION);
        put_count(&mut out, self.0.len());
        for it in &self.0 {
            put_signed(&mut out, it.programme);
            put_signed(&mut out, it.edition);
            let offered = if it.offered { OFFERED } else { 0 };
            let taken = if it.taken_until.is_some() { TAKEN } else { 0 };
            out.push(it.verdict | offered | taken);
            put_signed(&mut out, it.least);
            put_signed(&mut out, it.greatest);
            if let Some(day) = it.taken_until {
                put_signed(&mut out, i64::from(day.0));
            }
        }
        out
    }

    /// Reads what [`Standing::encoded`] wrote, or returns `None`.
    #[must_use]
    pub fn decoded(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.byte()? != VERSION {
            return None;
        }
        let count = input.count()?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let (programme, edition, verdict) = (input.signed()?, input.signed()?, input.byte()?);
            all.push(Stood {
                programme,
                edition,
                verdict: verdict & !(OFFERED | TAKEN),
                least: input.signed()?,
                greatest: input.signed()?,
                offered: verdict & OFFERED != 0,
                taken_until: match verdict & TAKEN {
                    0 => None,
                    _ => Some(Day(i32::try_from(input.signed()?).ok()?)),
                },
            });
        }
        input.0.is_empty().then_some(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use crate::subsidies::population::standing::{FOREVER, Standing, Stood};

    #[test]
    fn a_standing_is_read_as_it_was_written_and_kept_in_order() {
        let stood = |programme, verdict| Stood {
            programme,
            edition: 3,
            verdict,
            least: -1,
            greatest: i64::MAX,
            offered: verdict == 2,
            taken_until: (verdict == 3).then_some(FOREVER),
        };
        let mut standing = Standing::default();
        assert_eq!(standing.put(stood(9, 1)), None);
        assert_eq!(standing.put(stood(4, 2)), None);
        assert_eq!(standing.put(stood(9, 3)), Some(stood(9, 1)));
        assert_eq!(standing.all().iter().map(|it| it.programme).collect::<Vec<_>>(), [4, 9]);
        let encoded = standing.encoded();
        assert_eq!(Standing::decoded(&encoded), Some(standing.clone()));
        for end in 0..encoded.len() {
            assert_eq!(Standing::decoded(&encoded[..end]), None);
        }
        assert_eq!(standing.forget(4), Some(stood(4, 2)));
        assert_eq!(standing.of(4), None);
    }
}

//! What each chart version is beside what was there before it. Pure.
//!
//! Before are the base revision's pins of the same destination; without a base its other pins, since what is new among them
//! cannot be told. Owns what a reviewer compares, knows no sentence about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::chart::Version;
use crate::finding::{Code, Finding, Holder};
use crate::graph::{Origin, StepGraph, Unit};
use crate::lock::{Pin, Signer};
use crate::oci::{Digest, Repository};
use crate::plan::rows::{Row, State};
use crate::plan::trust::Trusted;
use crate::provenance::{KeyChanges, Keyring};
use crate::settings::Acceptable;
use crate::workspace::{FirstParty, Mirror};

/// What a plan is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Base<'a> {
    /// Nothing was asked for.
    None,
    /// A revision without a workspace, or one that cannot be read: everything is new.
    Empty,
    /// A revision.
    Of(Trusted<'a>),
}

/// What one chart version is beside what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// What the change does to the pin, or to a first-party chart's folder.
    pub novelty: Novelty,
    /// How many pins of the chart there were before.
    pub earlier: usize,
    /// The version before it: this very version's pin if it had another, else the next lower one, else the next higher one.
    pub previous: Option<Arc<Pin>>,
    /// Whether the signer is who signed before; none where that is not looked at.
    pub signer: Option<Continuity>,
    /// The other bytes that this very version had, and who held them.
    pub replaces: Option<(Holder, Digest)>,
    /// The highest version before, where this one is the highest now and lower than that.
    pub down_from: Option<Version>,
    /// Whose keys count, where the keyring is none of those before.
    pub keyring: Option<OtherKeyring>,
    /// Why it may do without a provenance; none for what has one.
    pub unsigned: Option<Unsigned>,
}

/// What a change does to a chart version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Novelty {
    /// There was nothing to compare with.
    #[default]
    Unknown,
    /// It was not there before.
    New,
    /// It was there, but not like this.
    Changed,
    /// It is as it was.
    Same,
}

impl Novelty {
    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }
}

/// Whether a signer is who signed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuity {
    /// Nothing was pinned before: the first trust in this mirror.
    First,
    /// The one that signed everything before.
    Same,
    /// One of several that signed before; these are the others.
    Among(BTreeSet<Signer>),
    /// It signed nothing before; these did.
    Other(BTreeSet<Signer>),
}

impl Continuity {
    /// Its stable name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Same => "same",
            Self::Among(_) => "among",
            Self::Other(_) => "other",
        }
    }

    /// Who else signed before.
    pub fn others(&self) -> impl Iterator<Item = &Signer> {
        let others = match self {
            Self::First | Self::Same => None,
            Self::Among(others) | Self::Other(others) => Some(others),
        };
        others.into_iter().flatten()
    }
}

/// A keyring that verified nothing of the chart before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherKeyring {
    /// Those that did.
    pub before: BTreeSet<Digest>,
    /// This one.
    pub digest: Digest,
    /// The keys that come, go and are revoked.
    pub keys: KeyChanges,
}

/// Why a mirrored chart may do without a provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsigned {
    /// A reviewed exception, with its reason.
    Accepted(String),
    /// Its manifest does not require one.
    NotRequired,
}

impl Unsigned {
    /// Its stable name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::NotRequired => "not-required",
        }
    }

    /// The exception's reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Accepted(reason) => Some(reason),
            Self::NotRequired => None,
        }
    }
}

/// Compares every row with what was there before it, and adds a finding where a chart's highest version goes down.
pub fn compare(rows: &mut [Row], graph: &StepGraph, here: Trusted<'_>, base: Base<'_>) {
    let declared = match base {
        Base::Of(base) => base.workspace.mirrors.iter().map(|mirror| (&mirror.destination, mirror)).collect(),
        Base::None | Base::Empty => BTreeMap::new(),
    };
    let compared = Compared { here, base, declared, homeless: homeless(here, base) };
    for row in rows {
        let unit = graph.unit(row.unit);
        match unit.origin {
            Origin::Mirror(index) => compared.mirrored(row, unit, &here.workspace.mirrors[index]),
            Origin::Chart(index) => compared.first_party(row, unit, &here.workspace.charts[index]),
        }
    }
}

/// Pins of the base whose destination is declared no longer, by source: a renamed destination has them for its past.
fn homeless<'a>(here: Trusted<'_>, base: Base<'a>) -> BTreeMap<&'a Repository, Vec<&'a Arc<Pin>>> {
    let Base::Of(base) = base else { return BTreeMap::new() };
    let declared: BTreeSet<_> = here.workspace.mirrors.iter().map(|mirror| &mirror.destination).collect();
    let mut homeless: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pin in base.lockfile.pins().iter().filter(|pin| !declared.contains(&pin.destination)) {
        homeless.entry(&pin.source).or_default().push(pin);
    }
    for pins in homeless.values_mut() {
        pins.sort_by(|one, other| one.version.cmp(&other.version));
    }
    homeless
}

struct Compared<'a> {
    here: Trusted<'a>,
    base: Base<'a>,
    /// The base's mirrors by destination.
    declared: BTreeMap<&'a Repository, &'a Mirror>,
    homeless: BTreeMap<&'a Repository, Vec<&'a Arc<Pin>>>,
}

impl Compared<'_> {
    fn mirrored(&self, row: &mut Row, unit: &Unit, mirror: &Mirror) {
        let down_from = self.down_from(unit, mirror);
        if let Some(before) = &down_from {
            row.add(version_down(unit, mirror, before));
        }
        let Some(pin) = row.pin.clone() else { return };
        let mut beside = Beside { novelty: self.novelty(&pin), down_from, ..Beside::default() };
        beside.unsigned = (pin.signer == Signer::None).then(|| self.unsigned(&pin));
        row.beside = Some(Box::new(beside));
        if row.is_news() {
            self.detail(row, &pin);
        }
    }

    /// What is only looked at where it is shown: it takes all pins of the chart.
    fn detail(&self, row: &mut Row, pin: &Pin) {
        let before = self.before(pin);
        let held = row.held.map(|held| (Holder::Destination, held));
        let Some(beside) = &mut row.beside else { return };
        beside.earlier = before.len();
        // A pin as it was says nothing beside itself.
        let others: Vec<_> = before.iter().filter(|old| ****old != *pin).copied().collect();
        beside.previous = previous(&others, &pin.version).cloned();
        beside.signer = Some(continuity(&before, &pin.signer));
        beside.keyring = self.other_keyring(&before, pin);
        let same_version =
            beside.previous.as_ref().filter(|old| old.version == pin.version && old.digest != pin.digest);
        beside.replaces = same_version.map(|old| (Holder::Base, old.digest)).or(held);
    }

    fn novelty(&self, pin: &Pin) -> Novelty {
        match self.base {
            Base::None => Novelty::Unknown,
            Base::Empty => Novelty::New,
            Base::Of(base) => match base.lockfile.get(&pin.destination, &pin.version) {
                None => Novelty::New,
                Some(old) if **old == *pin => Novelty::Same,
                Some(_) => Novelty::Changed,
            },
        }
    }

    /// The pins of the chart that were there before, sorted by version.
    fn before(&self, pin: &Pin) -> Vec<&Arc<Pin>> {
        let pins = match self.base {
            Base::Empty => return Vec::new(),
            Base::None => self.here.lockfile.of(&pin.destination),
            Base::Of(base) => base.lockfile.of(&pin.destination),
        };
        let is_itself = |old: &&Arc<Pin>| matches!(self.base, Base::None) && old.version == pin.version;
        if pins.is_empty() {
            return self.homeless.get(&pin.source).cloned().unwrap_or_default();
        }
        pins.iter().filter(|old| !is_itself(old)).collect()
    }

    fn unsigned(&self, pin: &Pin) -> Unsigned {
        let settings = &self.here.workspace.settings;
        match settings.accepts(Acceptable::Unsigned, &pin.reference(), &pin.digest) {
            Some(accept) => Unsigned::Accepted(accept.reason.clone()),
            None => Unsigned::NotRequired,
        }
    }

    fn other_keyring(&self, before: &[&Arc<Pin>], pin: &Pin) -> Option<OtherKeyring> {
        let digest = pin.keyring?;
        let digests: BTreeSet<Digest> = before.iter().filter_map(|old| old.keyring).collect();
        if digests.is_empty() || digests.contains(&digest) {
            return None;
        }
        let of_before = match self.base {
            Base::Of(base) => base.workspace,
            Base::None | Base::Empty => self.here.workspace,
        };
        let rings = digests.iter().filter_map(|digest| of_before.keyrings.parsed(digest));
        let rings: Vec<&Keyring> = rings.map(AsRef::as_ref).collect();
        let now = self.here.workspace.keyrings.parsed(&digest);
        let keys = now.map(|now| KeyChanges::between(&rings, now)).unwrap_or_default();
        Some(OtherKeyring { before: digests, digest, keys })
    }

    /// The highest version before, where this unit is the highest one now and lower.
    fn down_from(&self, unit: &Unit, mirror: &Mirror) -> Option<Version> {
        let now = highest(mirror)?;
        if *now != unit.version {
            return None;
        }
        let before = match self.base {
            Base::Empty => None,
            Base::None => self.here.lockfile.of(&mirror.destination).last().map(|pin| &pin.version),
            Base::Of(_) => self.declared.get(&mirror.destination).copied().and_then(highest),
        };
        before.filter(|before| *before > now).cloned()
    }

    fn first_party(&self, row: &mut Row, unit: &Unit, chart: &FirstParty) {
        let base = match self.base {
            Base::None => None,
            Base::Empty => Some(None),
            Base::Of(base) => Some(base.workspace.charts.iter().find(|old| old.name == chart.name)),
        };
        let novelty = match base {
            None => Novelty::Unknown,
            Some(Some(old)) if old.version == chart.version && old.files == chart.files => Novelty::Same,
            Some(Some(old)) if old.version == chart.version => Novelty::Changed,
            Some(_) => Novelty::New,
        };
        let down_from = base.flatten().map(|old| old.version.clone()).filter(|old| *old > chart.version);
        if let Some(before) = &down_from {
            let location = crate::diagnostic::Location::file(chart.file());
            row.add(down(unit, before).at(Some(location)));
        }
        row.beside = Some(Box::new(Beside { novelty, down_from, ..Beside::default() }));
    }
}

fn highest(mirror: &Mirror) -> Option<&Version> {
    mirror.versions.iter().map(|declared| &declared.version).max()
}

fn version_down(unit: &Unit, mirror: &Mirror, before: &Version) -> Finding {
    let declared = mirror.versions.iter().find(|declared| declared.version == unit.version);
    down(unit, before).at(declared.map(|declared| declared.location.clone()))
}

fn down(unit: &Unit, before: &Version) -> Finding {
    let message = format!("the highest version goes down from {before} to {}", unit.version);
    Finding::of(Code::VersionDown, &unit.reference, message, "find out why; consumers may have the higher one already")
}

fn previous<'a>(before: &[&'a Arc<Pin>], version: &Version) -> Option<&'a Arc<Pin>> {
    let at = before.partition_point(|old| old.version <= *version);
    at.checked_sub(1).and_then(|at| before.get(at)).or_else(|| before.get(at)).copied()
}

fn continuity(before: &[&Arc<Pin>], signer: &Signer) -> Continuity {
    let mut others: BTreeSet<Signer> = before.iter().map(|old| old.signer.clone()).collect();
    match (others.remove(signer), others.is_empty()) {
        (false, true) => Continuity::First,
        (true, true) => Continuity::Same,
        (true, false) => Continuity::Among(others),
        (false, false) => Continuity::Other(others),
    }
}

impl Row {
    /// Whether a reviewer has it to read: something would be written, or the change brings it.
    #[must_use]
    pub fn is_news(&self) -> bool {
        matches!(self.state, State::Change(_)) || self.is_of_the_change()
    }

    /// Whether the change brings it; never where there is no base to tell.
    #[must_use]
    pub fn is_of_the_change(&self) -> bool {
        let novelty = self.beside.as_ref().map(|beside| beside.novelty);
        matches!(novelty, Some(Novelty::New | Novelty::Changed))
    }
}

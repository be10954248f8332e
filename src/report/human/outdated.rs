//! What upstream has that no manifest declares.

use super::page::{Page, Tone, faint, plain, strong, toned};
use super::{are, count};
use crate::chart::Version;
use crate::graph::StepGraph;
use crate::oci::Repository;
use crate::report::consume;
use crate::resolve::upstream::Upstream;

/// How many newer versions of a mirror are named.
const NAMED: usize = 6;

/// One mirror beside its source.
#[derive(Debug, Clone)]
pub struct Outdated {
    /// The chart's name.
    pub name: String,
    /// The manifest.
    pub file: String,
    /// Where it comes from.
    pub source: Repository,
    /// Where it is published.
    pub destination: Repository,
    /// The newest version that is declared.
    pub newest: Version,
    /// The newer ones upstream, the newest first; else why they are not known.
    pub newer: Result<Vec<Version>, String>,
    /// The command that adds the newest.
    pub add: Option<String>,
}

impl Outdated {
    /// A mirror's answer with the command that follows from it.
    #[must_use]
    pub fn of(upstream: Upstream<'_>, graph: &StepGraph) -> Self {
        let Upstream { mirror, newest, newer } = upstream;
        let newer = newer.map_err(|error| error.to_string());
        let name = graph.selector(&mirror.destination);
        let add = newer.as_ref().ok().and_then(|newer| newer.first());
        let add = add.map(|version| format!("chartsync add {}", consume::quoted(&format!("{name}@{version}"))));
        Self {
            name: mirror.chart().to_owned(),
            file: mirror.file.clone(),
            source: mirror.source.clone(),
            destination: mirror.destination.clone(),
            newest: newest.clone(),
            newer,
            add,
        }
    }
}

/// Mirrors that are behind, then those that could not be asked. The last line is the summary.
#[must_use]
pub fn outdated(mirrors: &[Outdated]) -> String {
    let mut page = Page::default();
    for mirror in mirrors {
        if let Ok(newer) = &mirror.newer {
            behind(&mut page, mirror, newer);
        }
    }
    for mirror in mirrors {
        if let Err(error) = &mirror.newer {
            page.gap();
            page.line(0, &[toned(Tone::Bad, "E not asked"), plain("  "), strong(mirror.name.as_str())]);
            page.line(4, &[plain(error.as_str())]);
            page.line(4, &[faint("at "), plain(mirror.file.as_str())]);
            page.line(4, &[faint("next: "), plain("run again; if it stays so, correct `source` in the manifest")]);
        }
    }
    page.gap();
    let (tone, text) = summary(mirrors);
    page.line(0, &[toned(tone, text)]);
    page.finish()
}

fn behind(page: &mut Page, mirror: &Outdated, newer: &[Version]) {
    let Some(add) = &mirror.add else { return };
    page.gap();
    page.line(0, &[toned(Tone::Warning, "u outdated"), plain("  "), strong(mirror.name.as_str())]);
    page.line(4, &[faint("declared: "), plain(format!("{} is the newest in {}", mirror.newest, mirror.file))]);
    let named = newer.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = newer.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more, all in `--format json`") };
    page.line(4, &[faint("upstream: "), plain(format!("{named}{more}"))]);
    page.line(4, &[faint("next: "), plain(add.as_str())]);
}

fn summary(mirrors: &[Outdated]) -> (Tone, String) {
    let of = |test: fn(&Outdated) -> bool| mirrors.iter().filter(|mirror| test(mirror)).count();
    let behind = of(|mirror| mirror.add.is_some());
    let failed = of(|mirror| mirror.newer.is_err());
    let current = mirrors.len() - behind - failed;
    let mut told = Vec::new();
    if behind > 0 {
        told.push(format!("{} {} behind", count(behind, "mirror"), are(behind)));
    }
    if current > 0 {
        let have = if current == 1 { "has" } else { "have" };
        told.push(format!("{} {have} nothing newer upstream", count(current, "mirror")));
    }
    if failed > 0 {
        told.push(format!("{} could not be asked", count(failed, "mirror")));
    }
    if told.is_empty() {
        told.push("nothing is mirrored".to_owned());
    }
    (if failed == 0 { Tone::Good } else { Tone::Bad }, told.join(", "))
}

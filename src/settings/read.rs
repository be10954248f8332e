//! The keys of `chartsync.toml`: which there are, what they may hold and how they relate.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

use url::Url;

use super::{
    Accept, Acceptable, Access, KeySigning, KeylessSigning, PastSigner, RegistrySettings, RootPath, SETTINGS_FILE,
    Settings, Signing, SigningService, is_loopback,
};
use crate::diagnostic::{Location, Problem, code};
use crate::document::{Reader, Table, nearest, parsed, quote, unknown_help};
use crate::oci::{Reference, Repository, Target};

/// How many changes `apply` makes without being asked for more.
/// How many signatures are made at once.
const SIGNING_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

const METHOD_EXAMPLE: &str = "\"keyless\"`, `\"key\"` or `\"none\"";

/// Reads the whole document; `None` where something without a default is missing.
pub(super) fn settings(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<Settings> {
    root.check(reader, &[("publish", "[publish]"), ("signing", "[signing]")], &["apply", "registry", "accept"]);
    let publish_table = root.table(reader, "publish");
    let publish = publish_table.as_ref().and_then(|table| {
        table.check(reader, &[("repository", "\"ghcr.io/your-org/charts\"")], &[]);
        table.parsed::<Repository>(reader, "repository")
    });
    let signing_table = root.table(reader, "signing");
    let signing = signing_table.as_ref().and_then(|table| signing(reader, table));
    let apply = root.table(reader, "apply");
    let max_changes = apply.as_ref().and_then(|table| {
        table.check(reader, &[], &["max-changes"]);
        table.number(reader, "max-changes", 0..=u64::from(u32::MAX))
    });
    let max_changes_at = apply.as_ref().and_then(|table| table.get("max-changes")).map(toml::Spanned::span);
    let registries = registries(reader, root);
    let accept = root.tables(reader, "accept").iter().filter_map(|table| accept(reader, table)).collect::<Vec<_>>();
    refuse_twins(reader, &accept);
    Some(Settings {
        publish: publish?,
        publish_location: reader.location(&publish_table?.get("repository")?.span()),
        signing: signing?,
        signing_location: reader.location(signing_table?.at()),
        max_changes: max_changes.and_then(|number| usize::try_from(number).ok()).unwrap_or(Settings::MAX_CHANGES),
        max_changes_location: max_changes_at.map_or_else(|| Location::file(SETTINGS_FILE), |at| reader.location(&at)),
        registries,
        accept,
    })
}

const COMMON: [&str; 5] = ["method", "accept", "trusted-root", "signing-config", "concurrency"];
const KEY: [(&str, &str); 2] = [("key", "\"cosign.key\""), ("public-key", "\"cosign.pub\"")];
const KEYLESS: [(&str, &str); 3] = [
    ("issuer", "\"https://token.actions.githubusercontent.com\""),
    ("mirrors", "\"<the identity that signs mirrored charts>\""),
    ("charts", "\"<the identity that signs first-party charts>\""),
];

fn signing(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Signing> {
    let all = || COMMON.into_iter().chain(KEY.iter().chain(&KEYLESS).map(|(key, _)| *key)).collect::<Vec<_>>();
    let method = table.text(reader, "method");
    let needed: &[(&str, &str)] = match method.as_ref().map(|(method, _)| *method) {
        Some("none") => &[],
        Some("key") => &KEY,
        Some("keyless") => &KEYLESS,
        None => {
            table.check(reader, &[("method", METHOD_EXAMPLE)], &all());
            return None;
        }
        Some(other) => {
            table.check(reader, &[], &all());
            let message = format!("`signing.method`: `{}` is not a signing method", quote(other));
            let known = ["keyless", "key", "none"];
            let help = match nearest(other, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write `keyless`, `key` or `none`".to_owned(),
            };
            reader.problem(&method?.1, code!("invalid-value"), message, help);
            return None;
        }
    };
    let method = method?.0;
    table.check(reader, needed, &all());
    refuse_idle(reader, table, method, needed);
    match method {
        "key" => key_signing(reader, table).map(Signing::Key),
        "keyless" => keyless_signing(reader, table).map(Signing::Keyless),
        _ => Some(Signing::None),
    }
}

/// A setting that the method does not read would mislead whoever reviews it.
fn refuse_idle(reader: &mut Reader<'_>, table: &Table<'_, '_>, method: &str, needed: &[(&str, &str)]) {
    let idle = |key: &&str| !needed.iter().any(|(needed, _)| needed == key);
    let common = COMMON.into_iter().filter(|key| method == "none" && *key != "method");
    for key in KEY.iter().chain(&KEYLESS).map(|(key, _)| *key).filter(idle).chain(common) {
        if let Some(value) = table.get(key) {
            let message = format!("`signing.{key}` means nothing with `method = \"{method}\"`");
            reader.problem(
                &value.span(),
                code!("idle-setting"),
                message,
                "remove it, or choose the method that uses it",
            );
        }
    }
}

fn key_signing(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<KeySigning> {
    let key = table.text(reader, "key").and_then(|(text, at)| whole(reader, "signing.key", text, &at));
    let public_key = table.parsed(reader, "public-key");
    let accept = table.texts(reader, "accept");
    let accept = accept.iter().filter_map(|(text, at)| parsed(reader, "signing.accept", text, at)).collect();
    let service = service(reader, table);
    Some(KeySigning { key: key?.into(), public_key: public_key?, accept, service })
}

fn keyless_signing(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<KeylessSigning> {
    let issuer = table.text(reader, "issuer").and_then(|(text, at)| issuer(reader, text, &at));
    let mut identity = |key: &str| {
        let (text, at) = table.text(reader, key)?;
        whole(reader, table.path(key), text, &at)
    };
    let (mirrors, charts) = (identity("mirrors"), identity("charts"));
    let accept = table.texts(reader, "accept");
    let accept = accept.iter().filter_map(|(text, at)| past_signer(reader, text, at)).collect();
    let service = service(reader, table);
    Some(KeylessSigning { issuer: issuer?, mirrors: mirrors?, charts: charts?, accept, service })
}

fn service(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> SigningService {
    SigningService {
        trusted_root: table.parsed(reader, "trusted-root"),
        signing_config: table.parsed(reader, "signing-config"),
        concurrency: concurrency(reader, table).unwrap_or(SIGNING_CONCURRENCY),
    }
}

fn past_signer(reader: &mut Reader<'_>, text: &str, at: &Range<usize>) -> Option<PastSigner> {
    if text.contains("://") || text.contains('@') {
        return whole(reader, "signing.accept", text, at).map(PastSigner::Identity);
    }
    parsed(reader, "signing.accept", text, at).map(PastSigner::PublicKey)
}

fn issuer(reader: &mut Reader<'_>, text: &str, at: &Range<usize>) -> Option<String> {
    let loopback = |url: &Url| url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
    let good =
        Url::parse(text).is_ok_and(|url| (url.scheme() == "https" || loopback(&url)) && url.username().is_empty());
    if !good {
        let message = format!("`signing.issuer`: `{}` is not an https URL", quote(text));
        reader.problem(at, code!("invalid-value"), message, "write the issuer as its tokens do");
        return None;
    }
    whole(reader, "signing.issuer", text, at)
}

/// A text that is compared as a whole: not blank, without control characters and without blanks around it.
fn whole(reader: &mut Reader<'_>, path: impl fmt::Display, text: &str, at: &Range<usize>) -> Option<String> {
    if text.is_empty() || text.trim() != text || text.contains(char::is_control) {
        let message = format!("`{path}`: `{}` is empty, or has blanks around it or control characters", quote(text));
        reader.problem(at, code!("invalid-value"), message, "write it whole, on one line");
        return None;
    }
    Some(text.to_owned())
}

fn concurrency(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<NonZeroUsize> {
    let number = table.number(reader, "concurrency", 1..=256)?;
    usize::try_from(number).ok().and_then(NonZeroUsize::new)
}

fn registries(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> BTreeMap<String, RegistrySettings> {
    let mut registries = BTreeMap::new();
    let Some(all) = root.table(reader, "registry") else { return registries };
    for (host, at, value) in all.iter() {
        if !is_registry(host) {
            let message = format!("`{}` is not a registry", quote(host));
            let help = if value
                .get_ref()
                .as_table()
                .is_some_and(|table| table.values().any(|value| value.get_ref().is_table()))
            {
                "put the host in quotes: `[registry.\"registry.example:5000\"]`"
            } else {
                "write its host, lower case, and its port if it has one: `[registry.\"registry.example:5000\"]`"
            };
            reader.problem(&at, code!("invalid-value"), message, help);
        } else if let Some(table) = all.table(reader, host) {
            registries.insert(host.to_owned(), registry(reader, &table));
        }
    }
    registries
}

fn registry(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> RegistrySettings {
    table.check(reader, &[], &["plain-http", "layout", "concurrency", "token-realm"]);
    let plain = table.truth(reader, "plain-http").unwrap_or_default();
    let layout: Option<RootPath> = table.parsed(reader, "layout");
    let token_realm = table.text(reader, "token-realm").and_then(|(text, at)| {
        let realm = Url::parse(text).ok().filter(|url| is_origin(url) && (url.scheme() == "https" || plain));
        if realm.is_none() {
            let message =
                format!("`{}`: `{}` is not the address of a token server", table.path("token-realm"), quote(text));
            reader.problem(
                &at,
                code!("invalid-value"),
                message,
                "write scheme, host and port only: `https://auth.example`",
            );
        }
        realm
    });
    if layout.is_some() {
        for key in ["plain-http", "token-realm"].into_iter().filter(|key| *key != "plain-http" || plain) {
            if let Some(value) = table.get(key) {
                let message = format!("`{}` and `layout` exclude each other", table.path(key));
                reader.problem(
                    &value.span(),
                    code!("conflicting-settings"),
                    message,
                    "a layout is a folder: remove one of them",
                );
            }
        }
    }
    let access = match layout {
        Some(folder) => Access::Layout(folder),
        None if plain => Access::PlainHttp,
        None => Access::Https,
    };
    let location = Some(reader.location(table.at()));
    RegistrySettings { access, concurrency: concurrency(reader, table), token_realm, location }
}

fn is_origin(url: &Url) -> bool {
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    matches!(url.scheme(), "https" | "http") && bare && url.fragment().is_none() && url.path() == "/"
}

fn is_registry(host: &str) -> bool {
    let lower = !host.contains(|char: char| char.is_ascii_uppercase());
    lower && format!("{host}/x").parse::<Repository>().is_ok_and(|repository| repository.host() == host)
}

fn accept(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Accept> {
    let required = [
        ("finding", "\"moved\""),
        ("reference", "\"ghcr.io/your-org/charts/name:1.2.3\""),
        ("digest", "\"sha256:…\""),
        ("reason", "\"why this is right, for the next reader\""),
    ];
    table.check(reader, &required, &[]);
    let finding = table.text(reader, "finding").and_then(|(text, at)| acceptable(reader, text, &at));
    let reference = table.parsed::<Reference>(reader, "reference").filter(|reference| {
        let by_tag = matches!(reference.target, Target::Tag(_));
        if let (false, Some(value)) = (by_tag, table.get("reference")) {
            let message = format!("`accept.reference`: `{}` names no tag", quote(&reference.to_string()));
            reader.problem(
                &value.span(),
                code!("invalid-value"),
                message,
                "write the published place: repository, `:`, tag",
            );
        }
        by_tag
    });
    let digest = table.parsed(reader, "digest");
    let reason = table.text(reader, "reason").and_then(|(text, at)| {
        if text.trim().is_empty() {
            let help = "say why the exception is right, for the next reader";
            reader.problem(&at, code!("invalid-value"), "`accept.reason` is empty".into(), help);
            return None;
        }
        Some(text.to_owned())
    });
    let location = reader.location(table.at());
    Some(Accept { finding: finding?, reference: reference?, digest: digest?, reason: reason?, location })
}

fn acceptable(reader: &mut Reader<'_>, text: &str, at: &Range<usize>) -> Option<Acceptable> {
    let found = Acceptable::ALL.into_iter().find(|finding| finding.as_str() == text);
    if found.is_none() {
        let message = format!("`accept.finding`: `{}` is not a finding that can be accepted", quote(text));
        let help = unknown_help(text, &Acceptable::ALL.map(Acceptable::as_str));
        reader.problem(at, code!("invalid-value"), message, help);
    }
    found
}

fn refuse_twins(reader: &mut Reader<'_>, accept: &[Accept]) {
    let mut seen = BTreeMap::new();
    for entry in accept {
        let first = seen.entry((entry.finding, &entry.reference, entry.digest)).or_insert(&entry.location);
        if **first != entry.location {
            reader.problems.push(Problem {
                location: Some(entry.location.clone()),
                code: code!("duplicate-accept"),
                message: format!("the exception `{}` for `{}` stands twice", entry.finding, entry.reference),
                help: format!("remove it: the first stands at {first}"),
            });
        }
    }
}

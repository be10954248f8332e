//! `chartsync init`: a workspace to start from.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::output;
use crate::cli::session::Stop;
use crate::files::{self, Readers};
use crate::oci::Repository;
use crate::report::{self, Kept};
use crate::settings::SETTINGS_FILE;
use crate::workspace::{MIRROR_SCHEMA, MIRRORS, TEMPLATE};

/// What Git leaves alone.
const IGNORE: &str = ".gitignore";
/// The line of it that matters.
const PRIVATE_KEY: &str = "/cosign.key";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The folder; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where charts are published: registry and path.
    #[arg(long, value_name = "REPOSITORY", default_value = "ghcr.io/your-org/charts")]
    repository: Repository,
    /// How they are signed.
    #[arg(long, value_enum, default_value_t = Method::Keyless)]
    method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// With the identity of a workflow; needs no key.
    Keyless,
    /// With a key pair of cosign's: `cosign.key` and `cosign.pub` in DIR.
    Key,
    /// Not at all.
    None,
}

pub(super) fn run(options: &Options) -> Result<u8, Stop> {
    let folder = &options.folder;
    let mut files = vec![
        (SETTINGS_FILE.to_owned(), settings(options)),
        (format!("{MIRRORS}/{TEMPLATE}"), template(&options.repository)),
        ("schemas/chart-mirror.schema.json".to_owned(), MIRROR_SCHEMA.to_owned()),
    ];
    refuse(folder, files.iter().map(|(name, _)| name.as_str()), options.method)?;
    // A repository that is one already has its own.
    let kept = match std::fs::read_to_string(folder.join(IGNORE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            files.push((IGNORE.to_owned(), format!("# A private key is never committed.\n{PRIVATE_KEY}\n")));
            None
        }
        Ok(text) if text.lines().any(|line| [PRIVATE_KEY, "cosign.key", "*.key"].contains(&line.trim_end())) => None,
        _ => {
            Some(Kept { file: IGNORE.to_owned(), add: PRIVATE_KEY.to_owned(), why: "a private key is never committed" })
        }
    };
    for (name, text) in &files {
        let path = folder.join(name);
        files::write_whole(&path, &[text.as_bytes()], Readers::All)
            .map_err(|error| Stop::Message(format!("cannot write {}: {error}", path.display())))?;
    }
    let written: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    output::data(&report::started(&written, kept.as_ref(), &next(folder)))?;
    Ok(0)
}

/// Nothing is overwritten, and what is made must be valid at once.
fn refuse<'a>(folder: &Path, files: impl Iterator<Item = &'a str>, method: Method) -> Result<(), Stop> {
    let there: Vec<&str> = files.filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        return Err(Stop::Message(format!(
            "{} already has {}: `init` overwrites nothing, name another folder",
            folder.display(),
            there.join(", ")
        )));
    }
    if method == Method::Key && !folder.join("cosign.pub").is_file() {
        let quoted = report::shell_word(&folder.display().to_string());
        return Err(Stop::Message(format!(
            "`--method key` needs a key pair in {}: run `mkdir -p {quoted} && cd {quoted} && cosign generate-key-pair`, then this again",
            folder.display()
        )));
    }
    Ok(())
}

/// What a person does next, line by line, in the shell that ran this.
fn next(folder: &Path) -> Vec<String> {
    vec![
        format!("cd {}", report::shell_word(&folder.display().to_string())),
        "chartsync validate".to_owned(),
        format!("cp {MIRRORS}/{TEMPLATE} {MIRRORS}/cert-manager.yaml"),
        "chartsync lock".to_owned(),
        "chartsync plan".to_owned(),
    ]
}

fn settings(options: &Options) -> String {
    let signing = match options.method {
        Method::None => "\
method = \"none\"    # \"keyless\": a workflow's identity; \"key\": a key pair of cosign's
"
        .to_owned(),
        Method::Key => "\
method = \"key\"
key = \"cosign.key\"           # only `apply` reads it, its password from COSIGN_PASSWORD; never committed
public-key = \"cosign.pub\"
"
        .to_owned(),
        Method::Keyless => {
            let home = forge(&options.repository);
            format!(
                "\
method = \"keyless\"
issuer = \"https://token.actions.githubusercontent.com\"
# The workflows that run `chartsync apply`, as they stand in their certificates: compared whole.
mirrors = \"{home}/.github/workflows/mirror.yaml@refs/heads/main\"   # signs what is mirrored
charts = \"{home}/.github/workflows/publish.yaml@refs/heads/main\"   # signs what is in charts/
"
            )
        }
    };
    format!(
        "\
# Settings of chartsync. This file marks the root of the workspace.
#
# What this file, keyrings/ and mirrors.lock say is whom you trust: let changes to them be reviewed by those who may decide that
# (in CODEOWNERS: `/{SETTINGS_FILE}`, `/keyrings/`, `/mirrors.lock`).

[publish]
repository = \"{}\"    # every destination lies below it

[signing]
{signing}
# [apply]
# max-changes = 200            # more than that at once needs `chartsync apply --allow-changes N`

# [registry.\"registry.example:5000\"]
# plain-http = true
# concurrency = 16             # requests at once
",
        options.repository
    )
}

/// The forge's address of the repository that publishes there, as far as one can guess.
fn forge(repository: &Repository) -> String {
    let mut parts = repository.path().split('/');
    match (repository.host(), parts.next(), parts.next()) {
        ("ghcr.io", Some(owner), Some(name)) => format!("https://github.com/{owner}/{name}"),
        _ => "https://github.com/your-org/charts".to_owned(),
    }
}

fn template(repository: &Repository) -> String {
    format!(
        "\
# yaml-language-server: $schema=../schemas/chart-mirror.schema.json
#
# A manifest: copy it to mirrors/<name>.yaml. This one would mirror cert-manager.
source:
  type: helm-oci
  repository: quay.io/jetstack/charts/cert-manager    # without `oci://` and without a tag
destination:
  repository: {repository}/cert-manager    # ends in the chart's name
versions:                       # `chartsync add cert-manager@VERSION` adds one and pins it
  - v1.15.5
provenance:
  # Whose signatures count: an https URL, which only `chartsync lock` fetches, or a file from the workspace's root.
  keyring: https://cert-manager.io/public-keys/cert-manager-keyring-2021-09-20-1020CF3C033D4F35BAE1C19E1226061C665DF13E.gpg
  fingerprints: [1020CF3C033D4F35BAE1C19E1226061C665DF13E]   # optional: only these keys of it
  # required: false             # for an upstream that signs nothing: then leave out both lines above
"
    )
}

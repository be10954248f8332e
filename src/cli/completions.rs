//! `chartsync completions`: what a shell needs to complete commands and options.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::session::Stop;
use crate::cli::{Cli, output};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For example:
  bash        chartsync completions bash > ~/.local/share/bash-completion/completions/chartsync
  zsh         chartsync completions zsh > \"${fpath[1]}/_chartsync\"
  fish        chartsync completions fish > ~/.config/fish/completions/chartsync.fish
  powershell  chartsync completions powershell >> $PROFILE
  elvish      chartsync completions elvish >> ~/.config/elvish/rc.elv")]
pub(super) struct Options {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Result<u8, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "chartsync", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

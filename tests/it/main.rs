//! Tests over real parts: the built program, released registries, and released tools as judges.
//!
//! `tests/run` installs the tools. A test whose tools are missing says so and is counted as left out; under
//! `CHARTSYNC_TEST_STRICT=1` it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics is a test that fails")]

#[macro_use]
mod support;

mod adding;
mod answers;
mod base;
mod beside;
mod bundles;
mod conflicts;
mod corners;
mod crash;
mod differences;
mod differential;
mod documents;
mod explaining;
mod faults;
mod findings;
mod firstparty;
mod firstparty_broken;
mod firstparty_dependencies;
mod firstparty_known;
mod firstparty_local;
mod firstparty_same;
mod hostile;
mod hostile_machine;
mod hostile_network;
mod hostile_plain;
mod hostile_races;
mod hostile_soak;
mod hostile_trouble;
mod hostile_upstreams;
mod hostile_ways;
mod inputs;
mod interop;
mod keyrings;
mod keyserver;
mod layering;
mod layouts;
mod listing;
mod locking;
mod outdated;
mod packaging;
mod patching;
mod pinning;
mod pins;
mod planning;
mod poison;
mod quickstart;
mod ranges;
mod referrers;
mod refusals;
mod registry;
mod renovate;
mod reports;
mod rig;
mod saved;
mod sharding;
mod show;
mod sides;
mod signers;
mod signing;
mod signing_identity;
mod signing_keys;
mod signing_killed;
mod signing_outage;
mod signing_secrets;
mod signing_slow;
mod signing_tampered;
mod signing_together;
mod signing_unknown;
mod sigstore_bed;
mod starting;
mod terminal;
mod trust;
mod urls;
mod verifying;
mod wire;

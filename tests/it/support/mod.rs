//! What the tests stand on. Knows nothing of chartsync's modules: it starts programs and looks at what they leave.

#[macro_use]
pub(crate) mod tools;
pub(crate) mod charts;
pub(crate) mod firstparty;
pub(crate) mod front;
pub(crate) mod images;
pub(crate) mod pgp;
pub(crate) mod process;
pub(crate) mod registry;
pub(crate) mod scythe;
pub(crate) mod signed;
pub(crate) mod sigstore;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod wild;
pub(crate) mod workspace;

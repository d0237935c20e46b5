//! The one integration-test binary: each module is one area of promises.

mod article;
mod badinput;
mod bench;
mod client;
mod config_stream;
mod date_reference;
mod drivers;
mod filter;
mod firewall;
mod house;
mod jail;
mod lab;
mod log;
mod oracle;
mod our_samples;
mod packets;
mod pattern;
mod protocol;
mod reference;
mod samples;
mod scripts;
mod source;
mod stock;
mod store;
mod support;
mod vendor;

//! The one integration-test binary: each module is one area of promises.

mod house;
mod jail;
mod reference;
mod store;

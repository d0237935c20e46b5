//! Gives back the memory that only starting needed.
//!
//! Reading the configuration and compiling filters touches most of the program file and leaves free
//! room on the heap. The kernel keeps what it has mapped of a file mapped, needed again or not, and
//! counts it as ours (`RssFile`); so once the jails run we let go of all of it. What a daemon at rest
//! needs is mapped again at the next touch, from the kernel's cache, in a fraction of a millisecond.
//!
//! The one room with `unsafe` in it: neither call has a safe form.

use std::ffi::c_void;
use std::fs;
use std::path::Path;
use std::ptr::NonNull;

use nix::libc;
use nix::sys::mman::{MmapAdvise, madvise};

/// A part of the program file in our memory.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: usize,
    length: usize,
}

/// Unmaps what is mapped of the program file and trims the heap. Returns how many bytes of the
/// program file may be mapped anew when touched; 0 where the kernel does not say what is mapped.
pub(super) fn let_go() -> usize {
    trim_heap();
    let (Ok(program), Ok(smaps)) = (
        fs::read_link("/proc/self/exe"),
        fs::read_to_string("/proc/self/smaps"),
    ) else {
        return 0;
    };
    let unmapped = untouched(&smaps, &program);
    unmapped.iter().filter_map(unmap).sum()
}

#[expect(unsafe_code, reason = "the C library has no other way to ask")]
fn trim_heap() {
    // SAFETY: `malloc_trim` takes any number, and may be called at any time from any thread.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has the kernel forget a mapping's pages; its length when it did.
#[expect(unsafe_code, reason = "what a page holds is ours to vouch for")]
fn unmap(mapping: &Mapping) -> Option<usize> {
    let start = NonNull::new(mapping.start as *mut c_void)?;
    // SAFETY: the range is a mapping of this program's own file, which stays where it is while the
    // program runs. It cannot be written, and none of its pages differs from the file (`untouched`):
    // what is read there next is read from the file and is what was there before.
    unsafe { madvise(start, mapping.length, MmapAdvise::MADV_DONTNEED) }.ok()?;
    Some(mapping.length)
}

/// The mappings of `program` that are as the file is: private, never to be written, and without one
/// page that was copied to be changed (the loader's relocations are such pages).
fn untouched(smaps: &str, program: &Path) -> Vec<Mapping> {
    let mut found = Vec::new();
    let mut last = None;
    for line in smaps.lines() {
        if let Some(of_program) = header(line, program) {
            last = of_program;
        } else if line.starts_with("Anonymous:") && line.ends_with(" 0 kB") {
            found.extend(last.take());
        }
    }
    found
}

/// The first line of a mapping, `start-end perms offset device inode path`: `Some(None)` for one
/// that is not to be touched; `None` for a line that says more of the last mapping.
fn header(line: &str, program: &Path) -> Option<Option<Mapping>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let fixed = words
        .next()
        .is_some_and(|perms| matches!(perms, "r--p" | "r-xp"));
    let path = words.nth(3).unwrap_or_default().trim_start();
    let length = end.checked_sub(start)?;
    Some((fixed && Path::new(path) == program).then_some(Mapping { start, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d000-55e000 r--p 00000000 fe:00 17                         /usr/bin/rban
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55e000-560000 r-xp 00001000 fe:00 17                         /usr/bin/rban
Rss:                   8 kB
Anonymous:             0 kB
560000-561000 r--p 00003000 fe:00 17                         /usr/bin/rban
Anonymous:             4 kB
561000-562000 rw-p 00004000 fe:00 17                         /usr/bin/rban
Anonymous:             0 kB
7f0000-7f1000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6
Anonymous:             0 kB
7f1000-7f2000 r--p 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_pages_that_are_as_the_program_file_has_them_are_let_go() {
        let of = |start, length| Mapping { start, length };
        let found = untouched(SMAPS, Path::new("/usr/bin/rban"));
        assert_eq!(found, [of(0x55_d000, 0x1000), of(0x55_e000, 0x2000)]);
    }

    #[test]
    fn the_program_goes_on_after_its_pages_were_let_go() {
        let before = format!(
            "{:?}",
            Mapping {
                start: 1,
                length: 2
            }
        );
        assert!(let_go() > 0, "this program maps something of its own file");
        assert_eq!(
            format!(
                "{:?}",
                Mapping {
                    start: 1,
                    length: 2
                }
            ),
            before
        );
    }
}

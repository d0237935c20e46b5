//! What to do when others have changed the firewall: look, and put back what is ours.

use crate::action::driver::Operation;
use crate::action::options::{Command, Scope};
use crate::action::watch::{Disturbance, Loss};
use crate::action::{reader, tags};
use crate::model::{Level, Logger};

use super::Enforcement;

/// The tables iptables keeps in nf_tables. Its commands do not name the usual one.
const TABLES_OF_IPTABLES: &[&str] = &["filter", "nat", "mangle", "raw", "security"];

impl Enforcement {
    /// Checks each started family that may have lost something, and puts back the elements its
    /// sets may have lost.
    pub(in crate::action) fn disturbed(&mut self, disturbance: &Disturbance) {
        for scope in self.families.started() {
            // A repair of one may have been the repair of all.
            if !self.families.is_started(scope) {
                continue;
            }
            let (rules, elements) = match disturbance {
                Disturbance::Unknown => (true, true),
                Disturbance::Lost(losses) => (
                    self.lost_rules(losses, scope),
                    self.lost_elements(losses, scope),
                ),
            };
            if rules {
                self.check_scope(scope, Some(&[]), "");
            }
            if elements && self.families.is_started(scope) {
                self.refresh(scope);
            }
        }
    }

    fn lost_rules(&mut self, losses: &[Loss], scope: Scope) -> bool {
        let Ok(start) = self.options.command(Command::Start, scope) else {
            return false;
        };
        let start = tags::fill(&start, &self.info(None, scope)).text;
        let iptables = start.contains("iptables") || start.contains("ip6tables");
        losses.iter().filter(|loss| !loss.elements).any(|loss| {
            let table = start.contains(&*loss.table)
                || iptables && TABLES_OF_IPTABLES.contains(&&*loss.table);
            let object = loss.object.as_deref();
            table && object.is_none_or(|object| start.contains(object))
        })
    }

    /// Whether a set that our bans go into natively lost elements.
    fn lost_elements(&mut self, losses: &[Loss], scope: Scope) -> bool {
        let Some(set) = self.set_of(scope) else {
            return false;
        };
        let (table, set) = &set;
        let lost = |loss: &&Loss| loss.elements && *loss.table == **table;
        losses
            .iter()
            .filter(lost)
            .any(|loss| loss.object.as_deref() == Some(set))
    }

    /// Adding what is there already changes nothing in a set of nftables; so all are added again.
    fn refresh(&mut self, scope: Scope) {
        if self.set_of(scope).is_none() {
            return;
        }
        let count = self.restore_quietly(scope);
        if count > 0 {
            let (jail, name) = (&self.spec.jail, &self.options.name);
            let notice = format!(
                "[{jail}] {name}: somebody took bans out of the firewall; all {count} are in it again"
            );
            self.voice.log(Level::Notice, Logger::Actions, notice);
        }
    }

    /// The nftables set the hosts of a family go into, where bans go natively: table and name.
    fn set_of(&mut self, scope: Scope) -> Option<(String, String)> {
        if !(self.spec.native && self.options.native) {
            return None;
        }
        let ban = self.held_in(scope)?;
        let text = self.options.command(Command::Ban, scope).ok()?;
        let script = tags::fill(&text, &self.info(Some(&ban), scope));
        match reader::read(&script.text)? {
            Operation::Element(element) => {
                Some((element.table.to_string(), element.set.to_string()))
            }
            Operation::Script(_)
            | Operation::Rule(_)
            | Operation::Entry(_)
            | Operation::Mail(_) => None,
        }
    }
}

//! The same pattern, quicker to run: conditionals decided early, and doomed ways left early.
//!
//! `(?:(a)|b)c(?(1)d|e)` becomes `(a)cd|bce`: the alternatives are tried in the same order, and
//! each then knows what follows. Where much work may be in vain for the want of a text near the
//! end, the pattern asks first whether that text comes at all.

use super::around::Around;
use super::ast::{At, Node};
use super::literal::required;

/// Nodes that copies may add to a pattern.
const MOST_COPIED: usize = 600;

/// Most signs a group may take for back-references to it to be spelt out.
const MOST_SIGNS: usize = 4;

/// A text shorter than this comes too often to be asked for.
const SHORTEST_NEED: usize = 2;

pub(super) fn optimise(node: &Node) -> Node {
    let mut nodes = match node {
        Node::Concat(nodes) => nodes.clone(),
        other => vec![other.clone()],
    };
    nodes.iter_mut().for_each(ask_neighbours);
    let mut left = MOST_COPIED;
    nodes.iter_mut().for_each(|node| spell_out(node, &mut left));
    spell_out_in(&mut nodes, &mut left);
    decide(&mut nodes, &mut MOST_COPIED.clone());
    ask(&mut nodes, false);
    Node::Concat(nodes)
}

/// Looks ahead that the two neighbours of a place answer become questions for them.
fn ask_neighbours(node: &mut Node) {
    if let Node::Look {
        behind: None,
        negate,
        node: asked,
    } = node
        && matches!(**asked, Node::Alternate(_))
        && let Some(around) = Around::look(asked, *negate)
    {
        *node = Node::At(At::Around(around));
        return;
    }
    node.children_mut().for_each(ask_neighbours);
}

/// Back-references to one of a few signs become alternatives: `([-/])a\1b` is `(-)a-b|(/)a/b`.
fn spell_out(node: &mut Node, left: &mut usize) {
    if !matches!(node, Node::Look { .. }) {
        node.children_mut().for_each(|node| spell_out(node, left));
    }
    if let Node::Concat(nodes) = node {
        spell_out_in(nodes, left);
    }
}

fn spell_out_in(nodes: &mut Vec<Node>, left: &mut usize) {
    for index in 0..nodes.len() {
        let rest = &nodes[index + 1..];
        let Some((group, signs)) = few_signs(&nodes[index]) else {
            continue;
        };
        let again = rest.iter().any(|node| refers(node, group))
            && !rest.iter().any(|node| mentions(node, group));
        let copied = rest.iter().map(size).sum::<usize>() * (signs.len() - 1);
        if copied > *left || !again {
            continue;
        }
        *left -= copied;
        let ways = signs.into_iter().map(|sign| {
            let captured = Node::Group {
                index: group,
                node: Box::new(Node::Literal(sign)),
            };
            let rest = rest.iter().map(|node| spelt(node, group, sign));
            let mut way: Vec<Node> = std::iter::once(captured).chain(rest).collect();
            spell_out_in(&mut way, left);
            Node::Concat(way)
        });
        let ways = Node::Alternate(ways.collect());
        nodes.truncate(index);
        nodes.push(ways);
        return;
    }
}

/// The group that a node is, and the few signs of which it takes one.
fn few_signs(node: &Node) -> Option<(usize, Vec<char>)> {
    match node {
        Node::Group { index, node } => match &**node {
            Node::Set(set) => Some((*index, set.few_signs(MOST_SIGNS)?)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a back-reference in the node is to the group.
fn refers(node: &Node, asked: usize) -> bool {
    matches!(node, Node::BackRef { group, .. } if *group == asked)
        || node.children().any(|child| refers(child, asked))
}

/// The node with what the group has captured in place of back-references to it.
fn spelt(node: &Node, asked: usize, sign: char) -> Node {
    match node {
        Node::BackRef { group, .. } if *group == asked => Node::Literal(sign),
        node => {
            let mut node = node.clone();
            for child in node.children_mut() {
                *child = spelt(child, asked, sign);
            }
            node
        }
    }
}

/// Where alternatives tell whether a group matches that a conditional asks for further on, the
/// rest of the pattern moves into each.
fn decide(nodes: &mut Vec<Node>, left: &mut usize) {
    for index in 0..nodes.len() {
        let rest = &nodes[index + 1..];
        let Some((alternatives, group)) = deciding(&nodes[index], rest) else {
            continue;
        };
        let copied: usize = rest.iter().map(size).sum::<usize>() * (alternatives.len() - 1);
        if copied > *left {
            continue;
        }
        *left -= copied;
        let ways = alternatives.into_iter().map(|alternative| {
            let matched = sets(&alternative, group);
            let rest = rest.iter().map(|node| decided(node, group, matched));
            let mut way: Vec<Node> = std::iter::once(alternative).chain(rest).collect();
            decide(&mut way, left);
            Node::Concat(way)
        });
        let ways = Node::Alternate(ways.collect());
        nodes.truncate(index);
        nodes.push(ways);
        return;
    }
}

/// The alternatives of a node of which each either always or never sets a group that is asked
/// for in `rest`.
fn deciding(node: &Node, rest: &[Node]) -> Option<(Vec<Node>, usize)> {
    let alternatives = alternatives(node)?;
    let mut asked = Vec::new();
    rest.iter().for_each(|node| tested(node, &mut asked));
    asked.into_iter().find_map(|group| {
        let clear = |node: &Node| sets(node, group) || !mentions(node, group);
        let both = alternatives.iter().any(|node| sets(node, group))
            && !alternatives.iter().all(|node| sets(node, group));
        (both && alternatives.iter().all(clear)).then(|| (alternatives.clone(), group))
    })
}

/// The alternatives of a node, each in the groups that are around all of them.
fn alternatives(node: &Node) -> Option<Vec<Node>> {
    match node {
        Node::Alternate(nodes) => Some(nodes.clone()),
        Node::Group { index, node } => {
            let around = |node| Node::Group {
                index: *index,
                node: Box::new(node),
            };
            Some(alternatives(node)?.into_iter().map(around).collect())
        }
        _ => None,
    }
}

/// Whether matching the node always sets the group.
fn sets(node: &Node, group: usize) -> bool {
    match node {
        Node::Group { index, node } => *index == group || sets(node, group),
        Node::Concat(nodes) => nodes.iter().any(|node| sets(node, group)),
        _ => false,
    }
}

/// Whether the group is in the node, or asked for there.
fn mentions(node: &Node, group: usize) -> bool {
    let here = match node {
        Node::Group { index, .. } => *index == group,
        Node::Cond { group: asked, .. } => *asked == group,
        _ => false,
    };
    here || node.children().any(|child| mentions(child, group))
}

/// The groups that conditionals in the node ask for.
fn tested(node: &Node, groups: &mut Vec<usize>) {
    if let Node::Cond { group, .. } = node
        && !groups.contains(group)
    {
        groups.push(*group);
    }
    node.children().for_each(|child| tested(child, groups));
}

fn size(node: &Node) -> usize {
    let times = match node {
        Node::Repeat { min, max, .. } => (*min).max(max.unwrap_or(1)).max(1) as usize,
        _ => 1,
    };
    1 + node.children().map(size).sum::<usize>() * times
}

/// The node with what is known of a group.
fn decided(node: &Node, asked: usize, matched: bool) -> Node {
    if let Node::Cond { group, yes, no } = node
        && *group == asked
    {
        return decided(if matched { yes } else { no }, asked, matched);
    }
    let mut node = node.clone();
    for child in node.children_mut() {
        *child = decided(child, asked, matched);
    }
    node
}

/// Asks for the last text that the nodes need, before them. `early`: even if little is before it.
fn ask(nodes: &mut Vec<Node>, early: bool) {
    if let Some(Node::Alternate(ways)) = nodes.last_mut() {
        for way in ways {
            if let Node::Concat(nodes) = way {
                ask(nodes, true);
            }
        }
    }
    let first = nodes
        .iter()
        .take_while(|node| matches!(node, Node::At(_) | Node::Literal(_)));
    let first = first.count();
    let Some((at, text)) = last_text(nodes) else {
        return;
    };
    let loops = nodes[first..at.max(first)]
        .iter()
        .filter(|node| is_costly(node));
    if loops.count() > usize::from(!early) {
        nodes.insert(first, Node::Need(text.into()));
    }
}

/// The last text that must come, and the index of the node (or run of letters) it is in.
fn last_text(nodes: &[Node]) -> Option<(usize, String)> {
    let mut end = nodes.len();
    while end > 0 {
        let letters = nodes[..end].iter().rev();
        let letters = letters
            .take_while(|node| matches!(node, Node::Literal(_)))
            .count();
        let start = end - letters.max(1);
        let texts = required(&Node::Concat(nodes[start..end].to_vec()));
        if let [text] = &texts.texts[..]
            && !texts.any_case
            && text.len() >= SHORTEST_NEED
        {
            return Some((start, text.clone()));
        }
        end = start;
    }
    None
}

/// Whether the node may match in many ways that differ much: alternatives of any length, such as
/// an address or a name, or a run over most characters.
fn is_costly(node: &Node) -> bool {
    match node {
        Node::Alternate(_) => loops(node),
        Node::Repeat { node, max, .. } if *max != Some(1) => match &**node {
            Node::Set(set) => " a1:".chars().all(|c| set.contains(c)),
            node => is_costly(node),
        },
        _ => node.children().any(is_costly),
    }
}

fn loops(node: &Node) -> bool {
    match node {
        Node::Repeat {
            max: Some(1), node, ..
        } => loops(node),
        Node::Repeat { .. } => true,
        _ => node.children().any(loops),
    }
}

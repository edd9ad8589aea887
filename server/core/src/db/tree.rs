//! The shape of the tree: nodes in a slab, each knowing its children by name.
//!
//! A path is never stored: it is the way from the root. So a child costs its name, once.

use super::node::Node;
use super::path::components;

/// Place of a node in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeIdx(u32);

const ROOT: NodeIdx = NodeIdx(0);

impl NodeIdx {
    fn slot(self) -> usize {
        self.0 as usize
    }
}

/// The nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    slots: Vec<Option<Node>>,
    free: Vec<NodeIdx>,
}

impl Tree {
    /// No node at all, not even the root, which must be added first.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Finds a node; a path that no node can have (`a`, `/a/`, `//`) is simply absent.
    pub(crate) fn find(&self, path: &str) -> Option<NodeIdx> {
        self.slots.first()?;
        if path.is_empty() || path == "/" {
            return Some(ROOT);
        }
        let mut at = ROOT;
        for name in components(path)? {
            at = *self.node(at).children.get(name)?;
        }
        Some(at)
    }

    /// A node.
    ///
    /// # Panics
    /// When the place is free: places come from [`Tree::find`] and are not kept over a removal.
    pub(crate) fn node(&self, at: NodeIdx) -> &Node {
        self.slots
            .get(at.slot())
            .and_then(Option::as_ref)
            .expect("a place that is taken")
    }

    /// A node to change; panics as [`Tree::node`].
    pub(crate) fn node_mut(&mut self, at: NodeIdx) -> &mut Node {
        self.slots
            .get_mut(at.slot())
            .and_then(Option::as_mut)
            .expect("a place that is taken")
    }

    /// Names of the children.
    pub(crate) fn children(&self, at: NodeIdx) -> impl Iterator<Item = &str> {
        self.node(at).children.keys().map(AsRef::as_ref)
    }

    /// Number of nodes below a node.
    pub(crate) fn count_below(&self, at: NodeIdx) -> u64 {
        let mut count = 0;
        let mut todo = vec![at];
        while let Some(at) = todo.pop() {
            let children = &self.node(at).children;
            count += children.len() as u64;
            todo.extend(children.values());
        }
        count
    }

    /// Adds the root.
    pub(crate) fn add_root(&mut self, node: Node) {
        assert!(self.slots.is_empty(), "the root comes first and once");
        self.slots.push(Some(node));
    }

    /// Adds a child that is not there yet.
    pub(crate) fn add(&mut self, parent: NodeIdx, name: &str, node: Node) -> NodeIdx {
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at.slot()) {
                    *slot = Some(node);
                }
                at
            }
            None => {
                let at = NodeIdx(u32::try_from(self.slots.len()).expect("fewer than 2^32 nodes"));
                self.slots.push(Some(node));
                at
            }
        };
        let before = self.node_mut(parent).children.insert(name.into(), at);
        assert!(before.is_none(), "{name} is added once");
        at
    }

    /// Removes a child together with what is below it; gives the number of nodes removed.
    pub(crate) fn remove(&mut self, parent: NodeIdx, name: &str) -> Option<Node> {
        let at = self.node_mut(parent).children.remove(name)?;
        let node = self.slots.get_mut(at.slot()).and_then(Option::take);
        self.free.push(at);
        node
    }

    /// Visits every node with its path, parents first; the root as `""`.
    pub(crate) fn walk(&self, mut visit: impl FnMut(&str, &Node)) {
        if self.slots.is_empty() {
            return;
        }
        visit("", self.node(ROOT));
        let mut path = String::new();
        let mut stack = vec![(0, self.node(ROOT).children.iter())];
        while let Some((len, children)) = stack.last_mut() {
            let len = *len;
            path.truncate(len);
            let Some((name, at)) = children.next() else {
                stack.pop();
                continue;
            };
            path.push('/');
            path.push_str(name);
            let node = self.node(*at);
            visit(&path, node);
            if !node.children.is_empty() {
                stack.push((path.len(), node.children.iter()));
            }
        }
    }
}

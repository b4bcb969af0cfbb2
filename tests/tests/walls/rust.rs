// SPDX-License-Identifier: GPL-2.0
//! What Rust files import, as the compiler resolves it: `use` and paths in the code, in
//! attributes and in what is given to macros.
//!
//! A path leads through modules to a name. The file that has the name is needed, and so is each
//! file whose `pub use` the path leads through. To declare a module is not to need it. Code under
//! `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Meta, UseTree};

use super::graph::Graph;
use super::tree::{Tree, folder_of, joined, stem_of};

/// The root of the module that runs in the kernel, of which no Cargo.toml tells.
const KERNEL_MODULE: &str = "kmod/glue.rs";

/// Returns which Rust file needs which.
pub fn imports(tree: &Tree) -> Result<Graph> {
    let mut code = Code::default();
    for package in packages(tree)? {
        for root in &package.roots {
            let module = code.add_root(tree, root)?;
            if Some(root) == package.library.as_ref() {
                code.libraries.insert(package.name.clone(), module);
            }
        }
    }
    if tree.has(KERNEL_MODULE) {
        code.add_root(tree, KERNEL_MODULE)?;
    }
    code.find_globs();
    Ok(code.graph())
}

/// Returns whether the code in `text` has this word or, for `*`, a raw pointer.
pub fn has_word(text: &str, word: &str) -> Result<bool> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(has_token(tokens, word))
}

fn has_token(tokens: TokenStream, word: &str) -> bool {
    let mut after_star = false;
    for token in tokens {
        let found = match &token {
            TokenTree::Group(group) => has_token(group.stream(), word),
            TokenTree::Ident(ident) if word == "*" => {
                after_star && (ident == "const" || ident == "mut")
            }
            TokenTree::Ident(ident) => ident == word,
            _ => false,
        };
        if found {
            return true;
        }
        after_star = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '*');
    }
    false
}

/// A package of the workspace, with the files that are roots of crates.
struct Package {
    /// What others call its library.
    name: String,
    library: Option<String>,
    roots: BTreeSet<String>,
}

/// Returns the packages that the workspace names as members.
fn packages(tree: &Tree) -> Result<Vec<Package>> {
    let manifest = manifest(tree, "Cargo.toml")?;
    let members = manifest["workspace"]["members"].as_array();
    let folders = members
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str());
    folders.map(|folder| package(tree, folder)).collect()
}

/// Reads a Cargo.toml.
pub fn manifest(tree: &Tree, path: &str) -> Result<toml::Table> {
    let text = tree
        .text(path)
        .with_context(|| format!("there is no {path}"))?;
    toml::from_str(text).with_context(|| path.to_owned())
}

fn package(tree: &Tree, folder: &str) -> Result<Package> {
    let manifest = manifest(tree, &joined(folder, "Cargo.toml"))?;
    let told = |table: &toml::Value, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let library = manifest.get("lib");
    let name = library.and_then(|library| told(library, "name"));
    let name = name.or_else(|| told(manifest.get("package")?, "name"));
    let path = library.and_then(|library| told(library, "path"));
    let path = joined(folder, path.as_deref().unwrap_or("src/lib.rs"));
    let library = tree.text(&path).map(|_| path);
    let mut roots: BTreeSet<String> = library.iter().cloned().collect();
    for kind in ["bin", "test", "bench"] {
        let tables = manifest.get(kind).and_then(|tables| tables.as_array());
        let paths = tables
            .into_iter()
            .flatten()
            .filter_map(|table| told(table, "path"));
        roots.extend(paths.map(|path| joined(folder, &path)));
    }
    let main = joined(folder, "src/main.rs");
    roots.extend(tree.text(&main).map(|_| main.clone()));
    for place in ["src/bin", "tests", "benches"].map(|place| joined(folder, place)) {
        let is_root = |path: &&str| {
            let inner = folder_of(path);
            inner == place || (folder_of(inner) == place && stem_of(path) == "main")
        };
        roots.extend(tree.paths(".rs").filter(is_root).map(str::to_owned));
    }
    Ok(Package {
        name: name.context("a package without a name")?.replace('-', "_"),
        library,
        roots,
    })
}

/// No name is handed on more often.
const DEEPEST: usize = 20;

/// The place of a module in [`Code`].
type ModuleId = usize;

/// A module, and what its code says.
#[derive(Default)]
struct Module {
    file: String,
    /// The modules that it is in, the root first.
    parents: Vec<ModuleId>,
    children: BTreeMap<String, ModuleId>,
    /// Names of its items.
    items: BTreeSet<String>,
    /// What its `use` items bring in, by the name that they give it.
    uses: BTreeMap<String, Vec<String>>,
    /// Paths of its `use` items that end in `*`, and the modules that they lead to.
    glob_paths: Vec<Vec<String>>,
    globs: Vec<ModuleId>,
    /// Every path in its code.
    paths: BTreeSet<Vec<String>>,
}

/// The modules of all crates.
#[derive(Default)]
struct Code {
    modules: Vec<Module>,
    /// The root of each library, by its name.
    libraries: BTreeMap<String, ModuleId>,
}

impl Code {
    fn add_root(&mut self, tree: &Tree, file: &str) -> Result<ModuleId> {
        let folder = folder_of(file).to_owned();
        self.add_file(tree, file, Vec::new(), folder)
    }

    /// Adds the module in `file`, whose own modules are in `folder`.
    fn add_file(
        &mut self,
        tree: &Tree,
        file: &str,
        parents: Vec<ModuleId>,
        folder: String,
    ) -> Result<ModuleId> {
        let text = tree
            .text(file)
            .with_context(|| format!("there is no {file}"))?;
        let parsed = syn::parse_file(text).with_context(|| file.to_owned())?;
        self.add_module(tree, file, parents, folder, &parsed.items)
    }

    fn add_module(
        &mut self,
        tree: &Tree,
        file: &str,
        parents: Vec<ModuleId>,
        folder: String,
        items: &[Item],
    ) -> Result<ModuleId> {
        let id = self.modules.len();
        let mut reader = Reader::default();
        items.iter().for_each(|item| reader.visit_item(item));
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            reader.module.items.extend(name(item));
            if let Item::Use(item) = item {
                reader.module.add_uses(&item.tree, &mut Vec::new());
            }
        }
        self.modules.push(Module {
            file: file.to_owned(),
            parents: parents.clone(),
            ..reader.module
        });
        for inner in reader.declared {
            let name = inner.ident.to_string();
            let parents = [&parents[..], &[id]].concat();
            let child = match &inner.content {
                Some((_, items)) => {
                    self.add_module(tree, file, parents, joined(&folder, &name), items)?
                }
                None => {
                    let (path, folder) = found(tree, file, &folder, &inner)?;
                    self.add_file(tree, &path, parents, folder)?
                }
            };
            self.modules[id].children.insert(name, child);
        }
        Ok(id)
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for (id, module) in self.modules.iter().enumerate() {
            // A path that begins with an imported name needs what the import needs already.
            let is_imported = |path: &&Vec<String>| {
                let first = &path[..1];
                module.uses.contains_key(&path[0])
                    && !self.libraries.contains_key(&path[0])
                    && self.follow(id, first, &mut BTreeSet::new(), 0).is_none()
            };
            for path in module.paths.iter().filter(|path| !is_imported(path)) {
                let mut needed = BTreeSet::new();
                self.follow(id, path, &mut needed, 0);
                for file in needed {
                    graph.add(&module.file, file, "imports", path.join("::"));
                }
            }
        }
        graph
    }

    /// Finds the modules out of which everything is imported with `*`.
    fn find_globs(&mut self) {
        for id in 0..self.modules.len() {
            let paths = &self.modules[id].glob_paths;
            let found = paths
                .iter()
                .filter_map(|path| self.follow(id, path, &mut BTreeSet::new(), 0));
            self.modules[id].globs = found.collect();
        }
    }

    /// Follows a path that is in the code of a module, and adds each file that has a name in it.
    /// Returns the module that the path leads to, or `None` if it leads to something else.
    fn follow<'a>(
        &'a self,
        from: ModuleId,
        path: &[String],
        needed: &mut BTreeSet<&'a str>,
        depth: usize,
    ) -> Option<ModuleId> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "self" => from,
            "crate" => *self.modules[from].parents.first().unwrap_or(&from),
            "super" => *self.modules[from].parents.last()?,
            name => match self.libraries.get(name) {
                Some(root) if !self.modules[from].children.contains_key(name) => *root,
                _ if self.owner(from, name).is_some() => self.step(from, name, needed, depth)?,
                _ => return None,
            },
        };
        for name in rest {
            at = match name.as_str() {
                "super" => *self.modules[at].parents.last()?,
                name => self.step(at, name, needed, depth)?,
            };
        }
        needed.insert(&self.modules[at].file);
        Some(at)
    }

    /// Goes from a module to what has this name in it.
    fn step<'a>(
        &'a self,
        at: ModuleId,
        name: &str,
        needed: &mut BTreeSet<&'a str>,
        depth: usize,
    ) -> Option<ModuleId> {
        let owner = self.owner(at, name);
        let module = &self.modules[owner.unwrap_or(at)];
        if owner != Some(at) {
            // It is handed on with `*`, made by a macro, or included.
            needed.insert(&self.modules[at].file);
        }
        if let Some(child) = module.children.get(name) {
            return Some(*child);
        }
        needed.insert(&module.file);
        let path = module.uses.get(name)?;
        // What is imported under the name that it begins with leads back to itself.
        (depth < DEEPEST)
            .then(|| self.follow(owner.unwrap_or(at), path, needed, depth + 1))
            .flatten()
    }

    /// Returns the module that has this name, which is the module itself or one out of which it
    /// imports everything.
    fn owner(&self, at: ModuleId, name: &str) -> Option<ModuleId> {
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([at]);
        while let Some(id) = queue.pop_front() {
            let module = &self.modules[id];
            if module.has(name) {
                return Some(id);
            }
            if seen.insert(id) {
                queue.extend(&module.globs);
            }
        }
        None
    }
}

/// Finds the file of a module that `file` declares, and the folder of that module's own.
fn found(tree: &Tree, file: &str, folder: &str, module: &ItemMod) -> Result<(String, String)> {
    let name = module.ident.to_string();
    if let Some(path) = path_attribute(&module.attrs) {
        let path = joined(folder_of(file), &path);
        let folder = folder_of(&path).to_owned();
        return Ok((path, folder));
    }
    let inner = joined(folder, &name);
    for path in [format!("{inner}.rs"), format!("{inner}/mod.rs")] {
        if tree.text(&path).is_some() {
            return Ok((path, inner));
        }
    }
    bail!("{file}: mod {name} has no file");
}

impl Module {
    fn has(&self, name: &str) -> bool {
        self.children.contains_key(name)
            || self.items.contains(name)
            || self.uses.contains_key(name)
    }

    /// Adds what a `use` item brings in: `before` is the path that leads to this part of it.
    fn add_uses(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_uses(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.add_uses(tree, before));
            }
            UseTree::Name(name) => self.add_use(before, &name.ident.to_string(), None),
            UseTree::Rename(name) => {
                let (own, new) = (name.ident.to_string(), name.rename.to_string());
                self.add_use(before, &own, Some(new));
            }
            UseTree::Glob(_) => self.glob_paths.push(before.clone()),
        }
    }

    fn add_use(&mut self, before: &[String], own: &str, new: Option<String>) {
        let path = with_last(before, own);
        let name = new.or_else(|| path.last().cloned()).unwrap_or_default();
        // Its own root is no name that it gets from itself.
        if path.len() > 1 || path[0] != name {
            self.uses.insert(name, path);
        }
    }
}

/// Returns the path `before::own`, where `self` stands for what is before it.
fn with_last(before: &[String], own: &str) -> Vec<String> {
    let own = (own != "self").then(|| own.to_owned());
    before.iter().cloned().chain(own).collect()
}

/// Reads the code of one module.
#[derive(Default)]
struct Reader {
    module: Module,
    declared: Vec<ItemMod>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.declared.push(module.clone());
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        self.add_path(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, made: &'ast syn::Macro) {
        self.add_tokens(made.tokens.clone());
        visit::visit_macro(self, made);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.add_tokens(list.tokens.clone()),
            Meta::NameValue(pair) => self.visit_expr(&pair.value),
            Meta::Path(_) => {}
        }
    }
}

impl Reader {
    fn add_path(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.module.paths.insert(path);
        }
    }

    fn add_tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.add_tree(tree, before));
            }
            UseTree::Name(name) => self.add_path(with_last(before, &name.ident.to_string())),
            UseTree::Rename(name) => self.add_path(with_last(before, &name.ident.to_string())),
            UseTree::Glob(_) => {
                self.module.paths.insert(before.clone());
            }
        }
    }

    /// Adds what looks like a path among tokens that nobody has parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add_path(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.add_path(std::mem::take(&mut path));
                    self.add_tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.add_path(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.add_path(path);
    }
}

/// Returns whether code is under `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(is_test)
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(path) => Some(path.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the name that an item has, if others can use it by that.
fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

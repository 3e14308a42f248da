/// A program's options in the forms in which a system keeps help, made of their declarations.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace trifold::apps {

/// The manual page of a program, in troff's man macros. `name` is what users call.
std::string man_page(const CLI::App& app, const std::string& name, const std::string& summary,
                     const std::vector<std::string>& examples);

/// Scripts for shells, read by their completion or by hand, that complete the names of options and,
/// where they are declared, {such,as,these}, their values. They are for the program in this tree and
/// as installed: `app`'s own name and `name`. To bash, what else is a value is a file's name. To zsh
/// and fish, which show the beginnings of help texts beside the names, that depends on the name of
/// the value's type: FILE and DIR have them complete files and folders, DATA the folder in
/// SCHEME:DIR, others nothing.
std::string bash_completion(const CLI::App& app, const std::string& name);
std::string zsh_completion(const CLI::App& app, const std::string& name);
std::string fish_completion(const CLI::App& app, const std::string& name);

}  // namespace trifold::apps

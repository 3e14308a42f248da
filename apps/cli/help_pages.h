/// A program's options in the forms in which a system keeps help, made of their declarations.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace trifold::apps {

/// The manual page of a program, in troff's man macros. `name` is what users call.
std::string man_page(const CLI::App& app, const std::string& name, const std::string& summary,
                     const std::vector<std::string>& examples);

/// A script for bash, read by its completion or by hand, that completes the names of options and,
/// where they are declared, {such,as,these}, their values; what else is a file's name. It is for
/// the program in this tree and as installed: `app`'s own name and `name`.
std::string bash_completion(const CLI::App& app, const std::string& name);

}  // namespace trifold::apps

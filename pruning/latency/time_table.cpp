#include "pruning/latency/time_table.h"

#include <sqlite3.h>
#include <zlib.h>

#include <cmath>
#include <memory>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::pruning {
namespace {

// What SQLite files of this kind say of themselves, "TriL": sqlite.org/pragma.html#pragma_application_id.
constexpr int application_id = 0x5472694c;
constexpr int wait_ms = 10000;  // for another process that writes

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

// A connection for the time of one task.
class Database {
 public:
  explicit Database(const std::filesystem::path& path) : path_(path.string()) {
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path_.c_str(), &opened,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    handle_.reset(opened);
    check(code);
    sqlite3_busy_timeout(opened, wait_ms);
  }

  void execute(const std::string& sql) const {
    check(sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr));
  }

  Statement prepare(const char* sql) const {
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v2(handle_.get(), sql, -1, &made, nullptr);
    Statement statement(made);
    check(code);
    return statement;
  }

  // Whether there is another row.
  bool step(const Statement& statement) const {
    const int code = sqlite3_step(statement.get());
    if (code != SQLITE_ROW) check(code == SQLITE_DONE ? SQLITE_OK : code);
    return code == SQLITE_ROW;
  }

  int number(const char* sql) const {
    const Statement statement = prepare(sql);
    return step(statement) ? sqlite3_column_int(statement.get(), 0) : 0;
  }

  void bind(const Statement& statement, int place, const std::string& text) const {
    check(sqlite3_bind_text(statement.get(), place, text.data(), static_cast<int>(text.size()),
                            SQLITE_TRANSIENT));
  }
  void bind(const Statement& statement, int place, double value) const {
    check(sqlite3_bind_double(statement.get(), place, value));
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw FileError(
        fmt::format("{}: this is not a table of measured times, or it is damaged ({}); remove it, "
                    "and times are "
                    "measured anew, or name another one",
                    path_, reason));
  }

 private:
  void check(int code) const {
    if (code == SQLITE_OK) return;
    const std::string reason = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
    // The others are those of a disk, of rights and of other processes.
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_ERROR) refuse(reason);
    throw engine::WriteError(
        fmt::format("{}: the table of measured times can't be written ({})", path_, reason));
  }

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace

TimeTable::TimeTable(std::filesystem::path path, std::string context)
    : path_(std::move(path)), context_(std::move(context)) {
  const Database database(path_);
  database.execute("BEGIN IMMEDIATE");  // fails now where nothing can be written later
  if (database.number("SELECT count(*) FROM sqlite_schema") == 0) {
    database.execute(fmt::format("PRAGMA application_id = {}", application_id));
    database.execute(
        "CREATE TABLE times (id INTEGER PRIMARY KEY, context TEXT NOT NULL, work TEXT NOT NULL, "
        "seconds REAL NOT NULL, UNIQUE (context, work))");
  }
  database.execute("COMMIT");
  if (database.number("PRAGMA application_id") != application_id) database.refuse("of another use");
  const Statement rows =
      database.prepare("SELECT work, seconds FROM times WHERE context = ? ORDER BY id");
  database.bind(rows, 1, context_);
  while (database.step(rows)) {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(rows.get(), 0));
    const double seconds = sqlite3_column_double(rows.get(), 1);
    if (text == nullptr || !std::isfinite(seconds) || seconds <= 0) {
      database.refuse(fmt::format("a time of {} seconds", seconds));
    }
    add(text, seconds);
  }
  saved_ = rows_.size();
}

std::optional<double> TimeTable::find(const std::string& work) const {
  const auto found = by_work_.find(work);
  return found == by_work_.end() ? std::nullopt : std::optional(found->second);
}

void TimeTable::add(const std::string& work, double seconds) {
  if (by_work_.emplace(work, seconds).second) rows_.emplace_back(work, seconds);
}

void TimeTable::save() {
  if (saved_ == rows_.size()) return;
  const Database database(path_);
  database.execute("BEGIN IMMEDIATE");
  for (; saved_ < rows_.size(); ++saved_) {
    const Statement row =
        database.prepare("INSERT OR IGNORE INTO times (context, work, seconds) VALUES (?, ?, ?)");
    database.bind(row, 1, context_);
    database.bind(row, 2, rows_[saved_].first);
    database.bind(row, 3, rows_[saved_].second);
    database.step(row);
  }
  database.execute("COMMIT");
}

std::string TimeTable::checksum(std::size_t rows) const {
  std::string text = context_;
  for (std::size_t i = 0; i < std::min(rows, rows_.size()); ++i) {
    text += fmt::format("\n{} {}", rows_[i].first, rows_[i].second);
  }
  return fmt::format("{:08x}", ::crc32(0, reinterpret_cast<const Bytef*>(text.data()),
                                       static_cast<uInt>(text.size())));
}

}  // namespace trifold::pruning

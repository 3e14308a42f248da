/// Files that are damaged or hostile: each ends a program with one sentence that names the file, and
/// the documented exit code.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>

#include "tests/apps/programs.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

// Lists, or objects, inside each other; far deeper than the stack allows to go by recursion.
const std::string lists = std::string(100'000, '[') + std::string(100'000, ']');
std::string objects() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "{\"a\":";
  return text + "1" + std::string(100'000, '}');
}

// A text for another, once.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The value of the first `key` of a JSON text for another.
std::string with_value(const std::string& text, const std::string& key, const std::string& value) {
  const std::string name = "\"" + key + "\":";
  const std::size_t at = text.find(name);
  EXPECT_NE(at, std::string::npos) << key;
  const std::size_t begin = at + name.size(), end = text.find_first_of(",}", begin);
  return text.substr(0, begin) + value + text.substr(end);
}

// Changes an entry of the metadata of a safetensors file.
void change_metadata(const fs::path& file, const std::string& key,
                     const std::function<std::string(const std::string&)>& change) {
  const std::string bytes = read_text(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string data = bytes.substr(sizeof length + length);
  json header = json::parse(bytes.substr(sizeof length, length));
  header["__metadata__"][key] = change(header["__metadata__"].at(key).get<std::string>());
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  length = text.size();
  write_text(file,
             std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data);
}

// A trained model and its run folder, of which each test spoils a copy.
struct Damage : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);
  fs::path whole = folder / "whole", spoilt = folder / "spoilt";

  void SetUp() override {
    const Result trained = run_program("train", training(whole));
    ASSERT_EQ(trained.code, 0) << trained.err;
  }

  std::vector<std::string> training(const fs::path& out,
                                    const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"--epochs", "2"};
    words.insert(words.end(), more.begin(), more.end());
    return tiny_training(data, out, words);
  }
  fs::path copy() const {
    fs::remove_all(spoilt);
    fs::copy(whole, spoilt, fs::copy_options::recursive);
    return spoilt;
  }
  Result resume() const { return run_program("train", training(spoilt, {"--resume"})); }
  std::string model() const { return (spoilt / "model.safetensors").string(); }

  void expect_refused(const Result& result, const fs::path& file, int code = 3) const {
    EXPECT_EQ(result.code, code) << result.err.substr(0, 500);
    EXPECT_TRUE(one_error(result, file.string())) << result.err.substr(0, 500);
    EXPECT_EQ(result.err.find("json.exception"), std::string::npos) << result.err.substr(0, 500);
    EXPECT_LT(result.err.size(), 4000U);
  }
};

TEST_F(Damage, DeepMetadataOfModelsIsRefused) {
  for (const std::string& deep : {lists, objects()}) {
    for (const char* key : {"filters", "bias", "source", "stage", "name"}) {
      copy();
      change_metadata(model(), "trifold.graph",
                      [&](const std::string& text) { return with_value(text, key, deep); });
      expect_refused(run_program("inspect", {model()}), model());
    }
    for (const char* key : {"provenance", "class_names", "original_channels", "side"}) {
      copy();
      change_metadata(model(), "trifold.model", [&](const std::string& text) {
        json info = json::parse(text);
        info[key] = "here";
        return replaced(info.dump(), "\"here\"", deep);
      });
      expect_refused(run_program("evaluate", {"--model", model(), "--data", data}), model());
    }
  }
}

TEST_F(Damage, SizesOfAHostileStructureAreRefused) {
  std::string numbers;
  for (int i = 0; i < 100'000; ++i) numbers += "1,";
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"stage", "4611686018427387904"},
                                                        {"stage", "1024"},
                                                        {"filters", "4611686018427387904"},
                                                        {"window", "4611686018427387904"},
                                                        {"inputs", "[99]"},
                                                        {"filters", "[" + numbers + "1]"},
                                                        {"filters", "1e300"}}) {
    copy();
    change_metadata(model(), "trifold.graph",
                    [&](const std::string& text) { return with_value(text, key, value); });
    expect_refused(run_program("inspect", {model()}), model());
    expect_refused(run_program("prune", {"plan", "--model", model(), "--data", data, "--out",
                                         (folder / "pruned").string()}),
                   model());
  }
}

TEST_F(Damage, ASideThatNoMemoryHoldsIsSaidOfTheFile) {
  copy();
  change_metadata(model(), "trifold.model",
                  [](const std::string& text) { return with_value(text, "side", "1000000"); });
  EXPECT_EQ(run_program("inspect", {model()}).code, 0);
  const std::string out = (folder / "out").string();
  for (const auto& [program, words] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"evaluate", {"--model", model(), "--data", data}},
           {"train", {"--init", model(), "--data", data, "--out", out}},
           {"train", {"--arch", "resnet8", "--teacher", model(), "--data", data, "--out", out}},
           {"prune", {"plan", "--model", model(), "--data", data, "--out", out}}}) {
    const Result result = run_program(program, words);
    expect_refused(result, model());
    // Stem: 16 channels of 10^12 pixels behind one, in float32.
    EXPECT_TRUE(one_error(result, "1000000 x 1000000 pixels")) << result.err;
    EXPECT_TRUE(one_error(result, "GiB")) << result.err;
  }
}

TEST_F(Damage, ControlCharactersOfAFileAreShownAsEscapes) {
  copy();
  const std::string hostile =
      "\x1b[31m\x07\x7f\xc2\x9b"
      "2J\nnetwork: good";
  change_metadata(model(), "trifold.model", [&](const std::string& text) {
    json info = json::parse(text);
    info["arch"] = hostile;
    info["class_names"] = {hostile, "b", "c", "d"};
    info["provenance"] = {{{"step", hostile}}};
    return info.dump();
  });
  change_metadata(model(), "trifold.graph", [&](const std::string& text) {
    json graph = json::parse(text);
    graph["nodes"].front()["name"] = hostile;
    return graph.dump();
  });
  const Result text = run_program("inspect", {model()});
  ASSERT_EQ(text.code, 0) << text.err;
  const Result error = run_program("train", {"--init", model(), "--arch", "resnet14", "--data",
                                             data, "--out", (folder / "out").string()});
  EXPECT_NE(error.code, 0);
  for (const std::string& shown : {text.out, error.err}) {
    EXPECT_NE(shown.find("\\x1b[31m\\x07\\x7f\\x9b2J\\nnetwork: good"), std::string::npos) << shown;
    for (const char* raw : {"\x1b", "\x07", "\x7f", "\xc2\x9b", "\nnetwork: good"}) {
      EXPECT_EQ(shown.find(raw), std::string::npos) << shown;
    }
  }
}

TEST_F(Damage, NotesOfCheckpointsAreNotBelieved) {
  const fs::path file = spoilt / "checkpoint.safetensors";
  const std::vector<std::string> notes = {lists,   objects(), "",  "{",         "3",      "null",
                                          "[1,2]", "[]",      "x", "[{},null]", "[[],[]]"};
  for (const std::string& note : notes) {
    copy();
    change_metadata(file, "trifold.position", [&](const std::string& text) {
      json position = json::parse(text);
      position["note"] = note;
      return position.dump();
    });
    expect_refused(resume(), file);
  }
  for (const char* key : {"train_loss", "held_out_top1", "epoch"}) {
    for (const json& value : {json(nullptr), json("1"), json::array()}) {
      copy();
      change_metadata(file, "trifold.position", [&](const std::string& text) {
        json position = json::parse(text), note = json::parse(position["note"].get<std::string>());
        note[0][key] = value;
        position["note"] = note.dump();
        return position.dump();
      });
      expect_refused(resume(), file);
    }
  }
  for (const char* key : {"trifold.position", "trifold.run"}) {
    for (const std::string& text :
         {lists, objects(), std::string("{"), "{\"batch\":" + lists + "}"}) {
      copy();
      change_metadata(file, key, [&](const std::string&) { return text; });
      expect_refused(resume(), file);
    }
  }
}

// The log is for people: the run goes on without what isn't a record of it.
TEST_F(Damage, LinesOfTheLogThatNoRunWroteGo) {
  for (const std::string& line :
       {std::string("{\"epoch\":\"a\"}"), std::string("[1]"), std::string("{\"epoch\":{}}"),
        std::string("3"), lists, "{\"epoch\":" + objects() + "}", std::string("{\"epo"),
        std::string("{\"epoch\":1.5}")}) {
    copy();
    const std::string before = read_text(spoilt / "metrics.jsonl");
    write_text(spoilt / "metrics.jsonl", line + "\n" + before + line);
    const Result result = resume();
    EXPECT_EQ(result.code, 0) << result.err.substr(0, 500);
    EXPECT_EQ(read_text(spoilt / "metrics.jsonl"), before);
  }
}

TEST_F(Damage, DeepTomlIsRefused) {
  std::string inline_tables;
  for (int i = 0; i < 50'000; ++i) inline_tables += "{a=";
  const auto repeated = [](const std::string& text) {
    std::string all;
    for (int i = 0; i < 100'000; ++i) all += text;
    return all;
  };
  const fs::path file = folder / "config.toml";
  for (const std::string& text :
       {"batch = " + lists, "batch = " + inline_tables, repeated("a.") + "a = 1",
        "[" + repeated("a.") + "a]\nb = 1", "[[" + repeated("a.") + "a]]\nb = 1",
        repeated("\"a\" . ") + "a = 1", "batch = [" + repeated("[\n") + "]",
        "lr = \"\"\"\n\"[\"\n\"\"\"\n" + repeated("'a'.") + "a = 1"}) {
    write_text(file, text + "\n");
    expect_refused(run_program("train", {"--config", file.string()}), file, 2);
  }
  // Strings and comments may hold anything.
  write_text(file, "arch = \"" + repeated(".") + "[[[[[[[[[[[[[[[[[[[[\"  # " + lists + "\n");
  const Result unknown = run_program("train", {"--config", file.string(), "--data", data});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_EQ(unknown.err.find("nest"), std::string::npos) << unknown.err.substr(0, 300);
}

TEST_F(Damage, TemporaryFilesOfAKilledRunGo) {
  copy();
  fs::create_directory(spoilt / "points");
  for (const char* left :
       {"model.safetensors.aB3xY9.partial", "points/x.safetensors.000000.partial"}) {
    write_text(spoilt / left, "half");
  }
  for (const char* kept : {"mine.partial", "points/notes.txt"}) write_text(spoilt / kept, "whole");
  ASSERT_EQ(resume().code, 0);
  EXPECT_FALSE(fs::exists(spoilt / "model.safetensors.aB3xY9.partial"));
  EXPECT_FALSE(fs::exists(spoilt / "points/x.safetensors.000000.partial"));
  EXPECT_TRUE(fs::exists(spoilt / "mine.partial"));
  EXPECT_TRUE(fs::exists(spoilt / "points/notes.txt"));
}

// A finished run of prune, of which each test spoils a copy.
struct JournalDamage : Damage {
  void SetUp() override {
    Damage::SetUp();
    const Result pruned = prune(folder / "pruned");
    ASSERT_EQ(pruned.code, 0) << pruned.err;
  }

  Result prune(const fs::path& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> own = {"--held-out", "8"};
    own.insert(own.end(), more.begin(), more.end());
    return run_program("prune", tiny_pruning("run", whole / "model.safetensors", data, out, own));
  }
  void copy_run() const {
    fs::remove_all(spoilt);
    fs::copy(folder / "pruned", spoilt, fs::copy_options::recursive);
  }
  // What comes of the run going on where `file` of the copy has become `text`.
  Result resumed(const fs::path& file, const std::string& text) const {
    copy_run();
    write_text(file, text);
    return prune(spoilt, {"--resume"});
  }
  std::string text_of(const fs::path& file) const {
    return read_text(folder / "pruned" / file.lexically_relative(spoilt));
  }
};

// Values of the files of all steps, altered one at a time.
TEST_F(JournalDamage, NoAlteredRecordIsBelieved) {
  std::vector<std::pair<fs::path, json::json_pointer>> places;
  const json steps = steps_of(folder / "pruned");
  for (const auto& [step, result] : steps.items()) {
    const fs::path file = record_of(spoilt, step);
    const std::function<void(const json&, const json::json_pointer&)> list =
        [&](const json& value, const json::json_pointer& at) {
          if (!value.is_structured() || value.empty()) {
            places.emplace_back(file, at);
            return;
          }
          for (const auto& [key, inner] : value.items()) {
            list(inner, value.is_array() ? at / std::stoul(key) : at / key);
          }
        };
    list(json::parse(text_of(file)), json::json_pointer());
  }
  ASSERT_GT(places.size(), 200U);
  for (std::size_t i = 0; i < places.size(); i += 29) {
    const auto& [file, place] = places[i];
    const json record = json::parse(text_of(file));
    for (const json& value :
         {json(1234567), json("x"), json(nullptr), json::array({json::array()})}) {
      json altered = record;
      altered[place] = value;
      if (altered == record) continue;
      const Result result = resumed(file, altered.dump());
      expect_refused(result, file);
      EXPECT_TRUE(one_error(result, "remove the file")) << result.err;
    }
  }
}

TEST_F(JournalDamage, OtherFormsAreRefused) {
  const fs::path journal = spoilt / "journal.json", step = record_of(spoilt, "solve");
  for (const fs::path& file : {journal, step}) {
    const std::string text = text_of(file);
    for (const std::string& other :
         {std::string(), std::string("3"), std::string("[]"), std::string("{}"), lists, objects(),
          text.substr(0, text.size() / 2), replaced(text, "{", "{\"other\": " + lists + ","),
          replaced(text, "{", "{\"other\": " + objects() + ",")}) {
      expect_refused(resumed(file, other), file);
    }
  }
  for (const json& value : {json(3), json(nullptr), json::array()}) {
    expect_refused(resumed(journal, json{{"settings", value}}.dump()), journal);
  }
  for (const char* part : {"step", "result", "crc32"}) {
    json altered = json::parse(text_of(step));
    altered.erase(part);
    expect_refused(resumed(step, altered.dump()), step);
  }
  // A record under another's name, with its sum.
  expect_refused(resumed(step, text_of(record_of(spoilt, "fit"))), step);
  copy_run();
  fs::remove(journal);  // of steps whose settings nobody knows
  expect_refused(prune(spoilt, {"--resume"}), journal);
}

// Since steps are deterministic, a step whose record is lost runs again.
TEST_F(JournalDamage, ARemovedRecordIsMadeAgain) {
  for (const char* step : {"plan", "collect/width-1", "solve", "finetune"}) {
    copy_run();
    fs::remove(record_of(spoilt, step));
    const Result result = prune(spoilt, {"--resume"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(steps_of(spoilt), steps_of(folder / "pruned")) << step;
  }
}

TEST_F(JournalDamage, ARemovedFolderIsAFailureAtRunTime) {
  std::future<Result> run = std::async(std::launch::async, [this] {
    return prune(folder / "out", {"--finetune-epochs", "100000"});
  });
  for (int i = 0; i < 6000 && !fs::exists(folder / "out/journal.json"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  fs::rename(folder / "out", folder / "removed");
  const Result result = run.get();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(one_error(result, (folder / "out").string())) << result.err;
  EXPECT_FALSE(fs::exists(folder / "out"));
}

// A record that has the right checksum, as of a version with other fields.
TEST_F(JournalDamage, RecordsOfAnotherFormNameTheStep) {
  const fs::path file = record_of(spoilt, "plan");
  for (const json& result : {json::object(), json(3), json::array()}) {
    const json record = {
        {"step", "plan"}, {"result", result}, {"crc32", checksum_of("plan", result)}};
    expect_refused(resumed(file, record.dump()), file);
  }
}

TEST_F(JournalDamage, NotesOfATrainingInWorkAreNotBelieved) {
  const fs::path file = spoilt / "checkpoints/collect-original-0.safetensors";
  fs::remove_all(spoilt);
  ASSERT_EQ(prune(spoilt, {"--time-limit", "0.00001"}).code, 75);
  const std::string checkpoint = read_text(file);
  for (const std::string& note :
       {lists, objects(), std::string("{"), std::string("3"), std::string("{}"),
        std::string("{\"step\":\"collect/original-0\"}"), std::string("{\"step\":3}"),
        std::string("{\"step\":\"collect/original-0\",\"curve\":[{}]}")}) {
    write_text(file, checkpoint);
    change_metadata(file, "trifold.position", [&](const std::string& text) {
      json position = json::parse(text);
      position["note"] = note;
      return position.dump();
    });
    const Result result = prune(spoilt, {"--resume"});
    expect_refused(result, file);
    EXPECT_TRUE(one_error(result, "remove the file")) << result.err;
  }
}

}  // namespace
}  // namespace trifold::apps_test

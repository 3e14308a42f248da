/// Training on images that are decoded as they are needed.
#include <spng.h>

#include "nn/data/image_folder.h"
#include "tests/nn/data/image_support.h"
#include "tests/nn/train/trainer_support.h"

namespace trifold::nn::training_test {
namespace {

/// 24 pictures of 4 classes, larger than the side and not square.
struct StreamedTraining : TrainerTest {
  nn::testing::TempFolder folder;

  StreamedTraining() {
    engine::Random random(7);
    for (int i = 0; i < 24; ++i) {
      Image image{20, 17, 3, {}};
      for (int p = 0; p < 20 * 17 * 3; ++p) {
        image.pixels.push_back(static_cast<std::uint8_t>(50 * (i % 4) + random.uniform_int(50)));
      }
      const auto bytes = nn::testing::encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR);
      for (const char* split : {"train", "test"}) {
        nn::testing::write_bytes(folder / fmt::format("{}/{}/{}.png", split, i % 4, i), bytes);
      }
    }
  }
  Dataset load(std::optional<std::int64_t> stream_above_bytes) const {
    ImageFolderOptions options{.side = 12, .threads = 1};
    options.stream_above_bytes = stream_above_bytes;
    return load_image_folder(folder.path(), options, 1 << 30).train;
  }
  static TrainOptions windows() {
    TrainOptions o = options();
    o.augmentation = Augmentation{0, true, true};
    return o;
  }
};

TEST_F(StreamedTraining, HasTheBitsOfTrainingFromMemory) {
  const Dataset streamed = load(0), held = load(std::nullopt);
  Network a = fresh(), b = fresh();
  Trainer on_streamed(a, streamed, normalisation, 12, options(), {});
  Trainer on_held(b, held, normalisation, 12, options(), {});
  run_to_end(on_streamed);
  run_to_end(on_held);
  EXPECT_TRUE(equal(a, b));
  EXPECT_EQ(evaluate(a, streamed, normalisation, 12, {}, 5).loss,
            evaluate(a, held, normalisation, 12, {}, 5).loss);
}

TEST_F(StreamedTraining, GoesOnInTheMidstOfAnEpochOnAnyNumberOfThreads) {
  const Dataset streamed = load(0);
  Network whole = fresh(), padded = fresh();
  Trainer uninterrupted(whole, streamed, normalisation, 12, windows(), {});
  run_to_end(uninterrupted);
  Trainer by_padding(padded, streamed, normalisation, 12, options(), {});
  run_to_end(by_padding);
  EXPECT_FALSE(equal(whole, padded));
  for (const int threads : {1, 2, 4}) {
    kernels::ThreadPool pool(threads);
    const kernels::Exec ex{.pool = &pool};
    for (const std::int64_t stop_at : {1, 2}) {
      Network part = fresh();
      {
        Trainer trainer(part, streamed, normalisation, 12, windows(), ex);
        trainer.run_epoch(go_on);
        trainer.run_epoch([&](const Progress& p) { return p.batch < stop_at; });
        trainer.save(checkpoint);
      }
      Network rest = fresh();
      Trainer trainer(rest, streamed, normalisation, 12, windows(), ex);
      trainer.restore(checkpoint);
      run_to_end(trainer);
      EXPECT_TRUE(equal(rest, whole)) << threads << " threads, stopped at " << stop_at;
    }
  }
}

TEST_F(StreamedTraining, ACheckpointKnowsHowItsImagesCame) {
  const Dataset streamed = load(0), held = load(std::nullopt);
  Network network = fresh();
  Trainer(network, streamed, normalisation, 12, windows(), {}).save(checkpoint);
  const auto differs_in = [&](const Dataset& images, const TrainOptions& o) -> std::string {
    try {
      Trainer(network, images, normalisation, 12, o, {}).restore(checkpoint);
    } catch (const OtherRunError& e) {
      return e.key;
    }
    return "";
  };
  TrainOptions unpadded = options();
  unpadded.augmentation->pad = 0;
  EXPECT_EQ(differs_in(streamed, windows()), "");
  EXPECT_EQ(differs_in(streamed, unpadded), "crop");
  Trainer(network, streamed, normalisation, 12, unpadded, {}).save(checkpoint);
  EXPECT_EQ(differs_in(held, unpadded), "streamed");
  nn::testing::write_bytes(folder / "train/0/0.png", {1, 2, 3});
  EXPECT_EQ(differs_in(load(0), unpadded), "data_crc32");
}

TEST_F(StreamedTraining, NamesAnImageThatCantBeRead) {
  nn::testing::write_bytes(folder / "train/2/6.png", {1, 2, 3});
  const Dataset streamed = load(0);
  Network network = fresh();
  Trainer trainer(network, streamed, normalisation, 12, windows(), {});
  nn::testing::expect_error<FileError>([&] { trainer.run_epoch(go_on); },
                                       {"train/2/6.png", "mend"});
}

}  // namespace
}  // namespace trifold::nn::training_test

#include "workers.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

namespace confide::ring {

namespace {

#if defined(_WIN32)
long this_process() { return _getpid(); }
#else
long this_process() { return getpid(); }
#endif

// About a tenth of a millisecond.
constexpr int kSpins = 10000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

class Workers::Helpers {
 public:
  explicit Helpers(std::size_t count) {
    try {
      for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { help(); });
    } catch (const std::system_error&) {
      // The system gives no more: fewer share the work.
    }
  }

  ~Helpers() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    begun_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  // False, and nothing done, if they are at work for another.
  bool run(std::size_t count, const std::function<void(std::size_t)>& work) {
    const std::unique_lock alone(busy_, std::try_to_lock);
    if (!alone) return false;
    {
      const std::lock_guard lock(mutex_);
      work_ = &work, count_ = count, next_ = 0, failure_ = nullptr;
      open_ = true;
      ++round_;
    }
    begun_.notify_all();
    take_all();
    {
      // Anyone who has not woken up by now is not waited for.
      const std::lock_guard lock(mutex_);
      open_ = false;
    }
    for (int i = 0; i < kSpins && running_ > 0; ++i) pause();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return running_ == 0; });
    if (failure_) std::rethrow_exception(failure_);
    return true;
  }

 private:
  void help() {
    unsigned long seen = 0;
    for (;;) {
      // The next piece of work often comes at once, and waking up takes as long as a transform.
      for (int i = 0; i < kSpins && round_ == seen; ++i) pause();
      {
        std::unique_lock lock(mutex_);
        begun_.wait(lock, [&] { return over_ || round_ != seen; });
        if (over_) return;
        seen = round_;
        if (!open_) continue;
        ++running_;
      }
      take_all();
      const std::lock_guard lock(mutex_);
      if (--running_ == 0) done_.notify_one();
    }
  }

  void take_all() {
    try {
      for (std::size_t i = next_++; i < count_; i = next_++) (*work_)(i);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex busy_, mutex_;
  std::condition_variable begun_, done_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::size_t count_ = 0;
  std::atomic<std::size_t> running_ = 0;
  std::atomic<unsigned long> round_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::exception_ptr failure_;
  bool over_ = false, open_ = false;
};

Workers::Workers(std::size_t threads) : threads_(threads), process_(this_process()) {
  if (threads > 1) helpers_ = std::make_unique<Helpers>(threads - 1);
}

Workers::~Workers() {
  // A child process has nothing to join, and would wait for ever for threads that it has not.
  if (process_ == this_process()) return;
  const Helpers* const left_alone = helpers_.release();
  static_cast<void>(left_alone);
}

void Workers::run(std::size_t count, const std::function<void(std::size_t)>& work) {
  if (helpers_ && count > 1 && process_ == this_process() && helpers_->run(count, work)) return;
  for (std::size_t i = 0; i < count; ++i) work(i);
}

}  // namespace confide::ring

// Threads that share out the rows of one operation.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace confide::ring {

// Runs `work(i)` for all i below a count on at most so many threads, the caller's among them. One
// operation at a time: a second caller runs its own alone instead of waiting, and so does a child
// process, which a fork gave none of the threads.
class Workers {
 public:
  explicit Workers(std::size_t threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::size_t threads() const { return threads_; }

  void run(std::size_t count, const std::function<void(std::size_t)>& work);

 private:
  class Helpers;

  const std::size_t threads_;
  const long process_;
  std::unique_ptr<Helpers> helpers_;  // none for one thread
};

}  // namespace confide::ring

// Large blocks of memory, kept between calls: fresh pages would cost as much as the arithmetic that fills them.
#pragma once
#include <cstddef>

namespace seqae {

// Uninitialised memory, aligned to cache lines; goes back to the pool when it dies.
class Block {
public:
    Block() = default;
    explicit Block(std::size_t n_bytes);
    Block(Block&& other) noexcept;
    Block& operator=(Block&& other) noexcept;
    ~Block();
    template <class T>
    T* as() const {
        return static_cast<T*>(data_);
    }

private:
    void* data_ = nullptr;
    std::size_t capacity_ = 0;
};

}  // namespace seqae

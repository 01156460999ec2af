// The kernel once per instruction set, and the choice between them.
#pragma once
#include <span>

#include "problem.h"
#include "tape.h"

namespace seqae {

template <class T>
struct Operations {
    void (*forward)(const Problem<T>&, Tape&, bool keep, int n_threads);
    void (*backward)(const Problem<T>&, const Gradients<T>&, Tape&, int n_threads);
    void (*choose)(const SymbolProblem<T>&, int n_threads);
    void (*gather)(const GatherProblem<T>&, int n_threads);
    void (*linear)(const LinearProblem<T>&);
    void (*attend)(const AttentionProblem<T>&, int n_threads);
    double (*mean_loss)(const LossProblem<T>&, int n_threads);
    double (*adam_step)(const AdamProblem<T>&, int n_threads);
};

struct SequencewiseOperations;  // in sequencewise.h

struct Kernel {
    const char* name;
    const Operations<float>* of_float;
    const Operations<double>* of_double;
    const SequencewiseOperations* sequencewise;

    template <class T>
    const Operations<T>& of() const {
        if constexpr (sizeof(T) == sizeof(float)) return *of_float;
        else
            return *of_double;
    }
};

// Instruction sets that are built in and that this machine can run, best first.
std::span<const Kernel* const> runnable_kernels();

// The value of SEQAE_KERNEL; empty if it is not set.
const char* forced_kernel();

// The forced one, else the best. Throws std::invalid_argument if it cannot run here.
const Kernel& active_kernel();

}  // namespace seqae

// Reads Python tensors and arrays: pointer and shape, after checking type, device, strides and shape.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace seqae {

namespace nb = nanobind;

// The part of DLPack 1.3's DLPackExchangeAPI that is used here. It costs 0.1 us where tensor.__dlpack__() costs 2.
struct ExchangeApi {
    struct {
        std::uint32_t major, minor;
    } version;
    void* previous;
    void *allocate, *managed_from_object, *managed_to_object;
    int (*borrow)(void* object, nb::dlpack::dltensor* out);  // the object keeps owning data, shape and strides
};

// What a type of objects offers, null where nothing; asked once per type. Written under the GIL.
inline const ExchangeApi* exchange_api(nb::handle object) {
    static struct {
        PyTypeObject* type;
        const ExchangeApi* api;
    } known[4];  // tensors, parameters, arrays
    static int n_known = 0;
    for (int i = 0; i < n_known; ++i)
        if (known[i].type == Py_TYPE(object.ptr())) return known[i].api;
    nb::object capsule = nb::getattr(object.type(), "__dlpack_c_exchange_api__", nb::none());
    const ExchangeApi* api = nullptr;
    if (PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api")) {
        api = static_cast<const ExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
        if (api->version.major != 1 || !api->borrow) api = nullptr;
    }
    if (n_known < 4) {
        Py_INCREF(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())));  // so that no other type is ever found at this address
        known[n_known++] = {Py_TYPE(object.ptr()), api};
    }
    return api;
}

struct View {
    void* data = nullptr;
    int n_dims = 0;
    std::int64_t shape[3] = {};
    nb::dlpack::dtype dtype;
};

inline void check_layout(const nb::dlpack::dltensor& tensor, const char* name) {
    const auto fail = [&](const char* what) { throw nb::value_error((std::string(name) + what).c_str()); };
    if (tensor.device.device_type != nb::device::cpu::value) fail(" must be on the CPU");
    if (tensor.ndim > 3) fail(" has too many dimensions");
    std::int64_t expected = 1, n_values = 1;
    for (int d = 0; d < tensor.ndim; ++d) n_values *= tensor.shape[d];
    for (int d = tensor.ndim - 1; tensor.strides && n_values > 0 && d >= 0; expected *= tensor.shape[d--])
        if (tensor.shape[d] != 1 && tensor.strides[d] != expected) fail(" must be contiguous");
}

inline View view_of(nb::handle object, const char* name) {
    nb::dlpack::dltensor tensor;
    nb::ndarray<> array;  // keeps what tensor points to, where there is no exchange API
    if (const ExchangeApi* api = exchange_api(object)) {
        if (api->borrow(object.ptr(), &tensor) != 0) throw nb::python_error();
    } else {
        if (!nb::try_cast(object, array))
            throw nb::type_error((std::string(name) + " must be a tensor or array").c_str());
        tensor.data = array.data(), tensor.ndim = int(array.ndim()), tensor.dtype = array.dtype();
        tensor.shape = const_cast<std::int64_t*>(array.shape_ptr());
        tensor.strides = const_cast<std::int64_t*>(array.stride_ptr());
        tensor.device = {array.device_type(), array.device_id()};
    }
    check_layout(tensor, name);
    View view{static_cast<char*>(tensor.data) + tensor.byte_offset, tensor.ndim, {}, tensor.dtype};
    for (int d = 0; d < tensor.ndim; ++d) view.shape[d] = tensor.shape[d];
    return view;
}

template <class T>
T* checked(const View& view, const char* name) {
    if (view.dtype != nb::dtype<std::remove_const_t<T>>())
        throw nb::type_error((std::string(name) + " must have the type of the other tensors").c_str());
    return static_cast<T*>(view.data);
}

// Starts or lengths, which may be strided and read-only; nothing for None.
inline std::vector<std::int64_t> counts_of(nb::handle object, const char* name) {
    if (object.is_none()) return {};
    nb::ndarray<const std::int64_t, nb::ndim<1>, nb::device::cpu> array;
    if (!nb::try_cast(object, array)) throw nb::type_error((std::string(name) + " must be a vector of int64").c_str());
    std::vector<std::int64_t> counts(array.shape(0));
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = array.data()[std::int64_t(i) * array.stride(0)];
    return counts;
}

constexpr std::int64_t any = -1;

// Pointer to a vector or matrix of the given shape; null for None.
template <class T>
T* read(nb::handle object, const char* name, std::int64_t n_rows, std::int64_t n_columns = 0) {
    if (object.is_none()) return nullptr;
    const View view = view_of(object, name);
    const bool has_columns = n_columns == any || view.shape[1] == n_columns;
    const bool fits = (n_rows == any || view.shape[0] == n_rows) &&
                      (n_columns == 0 ? view.n_dims == 1 : view.n_dims == 2 && has_columns);
    if (!fits) {
        std::string shape;
        for (int d = 0; d < view.n_dims; ++d) shape += (d ? ", " : "") + std::to_string(view.shape[d]);
        const std::string expected = std::to_string(n_rows) + (n_columns ? ", " + std::to_string(n_columns) : "");
        throw nb::value_error((std::string(name) + " must have shape (" + expected + "), got (" + shape + ")").c_str());
    }
    return checked<T>(view, name);
}

}  // namespace seqae

"""Programs as C99: one header and one source, without allocation, that need math.h alone."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

import numpy as np

from .c_body import TYPES, Body, Memory
from .operations.interface import Operation
from .program import Input, Program


@dataclass(frozen=True, slots=True)
class Source:
    """header, source: of NAME.h and NAME.c. n_flash: bytes of constants; n_work: bytes of the workspace."""

    header: str
    source: str
    n_flash: int
    n_work: int


def c_source(name: str, programs: tuple[Program, ...]) -> Source:
    """C99 for programs, whose functions are NAME_PROGRAM. name: an identifier in lower case."""
    memory, longest = Memory(), f"{name.upper()}_MOST_STEPS"
    n_most = max(program.longest for program in programs)
    functions = [_function(name, program, memory, longest) for program in programs]
    prototypes = "\n\n".join(f"{comment}\n{head};" for comment, head, _ in functions)
    fields = indent("\n".join(memory.fields or ["char none;"]), "    ")
    header = HEADER.format(name=name, NAME=name.upper(), longest=n_most, fields=fields, prototypes=prototypes)
    bodies = "\n\n".join(f"{head} {body}" for _, head, body in functions)
    source = SOURCE.format(name=name, weights="\n".join(memory.weights), bodies=bodies)
    n_steps = sum(_step_values(field) for field in memory.fields) * n_most
    return Source(header, source, memory.n_weight_bytes, memory.n_work_bytes + 4 * n_steps)


def _step_values(declared: str) -> int:
    """Values of each step of a field, 0 for another kind."""
    return int(declared.split("* ")[1].rstrip("];")) if "_MOST_STEPS" in declared else 0


def _function(name: str, program: Program, memory: Memory, longest: str) -> tuple[str, str, str]:
    """Comment, head and body of a function."""
    places = {given.name: given.name for given in program.inputs}
    statements = [f"if (n < 1 || n > {longest}) return -1;"] if program.has_steps else []
    places |= {given.name: "n" for given in program.inputs if given.kind == "length"}
    sizes = program.sizes()
    for operation in program.operations:
        target = "result" if operation is program.output else _kept(operation, program.name, memory, longest)
        places[operation.writes] = f"work->{target}" if target != "result" else target
        read = tuple(places[part] for part in operation.reads)
        body = Body(memory, read, tuple(sizes[part] for part in operation.reads), places[operation.writes], longest)
        operation.to_c(body)
        statements.append(f"/* {operation} */\n{body}")
    end = "return result;" if program.output.kind == "length" else "return 0;"
    statements = ["int result;", *statements, end] if program.output.kind == "length" else [*statements, end]
    comment = f"/* {program.name}({', '.join(map(str, program.inputs))}): {program.output.shape}. */"
    return comment, _head(name, program), f"{{\n{indent(chr(10).join(statements), '    ')}\n}}"


def _kept(operation: Operation, program: str, memory: Memory, longest: str) -> str:
    """The name of the field for what an operation writes."""
    name, is_steps = f"{program}_{operation.writes}", operation.kind == "steps"
    memory.fields.append(
        f"float {name}[{longest} * {operation.size}];" if is_steps else f"float {name}[{operation.size}];"
    )
    memory.n_work_bytes += 0 if is_steps else 4 * operation.size
    return name


def _head(name: str, program: Program) -> str:
    arguments = [_argument(given) for given in program.inputs if given.kind != "length"]
    arguments += ["int n"] if program.has_steps else []
    if program.output.kind != "length":
        arguments.append(f"{TYPES[np.dtype(program.output.dtype)]} *result")
    return f"int {name}_{program.name}({name}_workspace *work, {', '.join(arguments)})"


def _argument(given: Input) -> str:
    return f"const {TYPES[np.dtype(given.dtype)]} *{given.name}"


HEADER = """/* Written by seqae. C99; needs math.h alone, and allocates nothing.

   Compile with -std=c99: sums must keep their order, and products must not be fused with them (-ffp-contract=off).
   Functions give 0, or -1 for a number of steps below 1 or above {NAME}_MOST_STEPS, unless they give a length.
   Steps lie one after another, the channels of a step together. */
#ifndef {NAME}_H
#define {NAME}_H

#ifndef {NAME}_MOST_STEPS
#define {NAME}_MOST_STEPS {longest}
#endif

/* What functions write on the way; one for each thread, with any content. */
typedef struct {{
{fields}
}} {name}_workspace;

{prototypes}

#endif
"""

SOURCE = """#include "{name}.h"

#include <math.h>

{weights}

{bodies}
"""

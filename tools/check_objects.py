"""Check the compiled C core: no object holds an instruction that its CPU was not asked about, and
no hot loop spills a register.

    make -C csrc && python tools/check_objects.py csrc/build

Everything that is compiled once (common) and the scalar and SSE2 kernels must run on the oldest CPU
of the architecture: x86-64's baseline ends with SSE2. AVX2 kernels may not hold AVX-512. The
compiler's flags promise as much; a stray -march, an inline function of a header or an assembler
file would break the promise without a word, and the program only on other people's machines.

In the loop of each register tile every sum lives in a register; one that is stored to the stack and
loaded again costs more than the multiplication that it waits for.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*?)\s*(?:#.*)?(?:<[^>]*>)?$")
_PREFIXES = {"rep", "repz", "repnz", "lock", "notrack", "bnd", "data16", "cs"}

# What the baseline has not: all of SSE3 to SSE4.2 that compilers or intrinsics make, and the rest
# of what later CPUs brought. A leading v (but for verr and verw) is VEX or EVEX: AVX and later.
_LATER = re.compile(
    r"v(?!err$|erw$).*|haddp[sd]|hsubp[sd]|addsubp[sd]|movddup|movs[hl]dup|lddqu|fisttp.*"
    r"|p(shufb|hadd.*|hsub.*|maddubsw|mulhrsw|sign[bwd]|abs[bwd]|alignr|blend.*|test|mulld|muldq"
    r"|min(s[bd]|u[wd])|max(s[bd]|u[wd])|movs[xz].*|insr[bdq]|extr[bdq]|ackusdw|cmp[ei]str.*"
    r"|cmpeqq|cmpgtq|hminposuw|clmul.*|opcnt)"
    r"|blendv?p[sd]|dpp[sd]|round[sp][sd]|insertps|extractps|mpsadbw|movntdqa|crc32.*|popcnt"
    r"|aes.*|sha(1|256).*|lzcnt|tzcnt|andn|bextr|bls(i|r|msk)|bzhi|mulx|pdep|pext|rorx|sarx|shlx"
    r"|shrx|movbe|adcx|adox|rd(rand|seed)|kmov.*|kand.*|kor.*"
)
_AVX512 = re.compile(r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b|\{%k")
# Functions that may ask about the CPU, by instructions that are there whenever they are reached.
_ALLOWED = {("common", "xgetbv")}


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly."""

    address: int
    name: str
    operands: str


def functions(listing: str) -> Iterator[tuple[str, list[Instruction]]]:
    """Each function of a disassembly with its instructions."""
    name, found = None, []
    for line in listing.splitlines():
        if match := _FUNCTION.match(line):
            if name is not None:
                yield name, found
            name, found = match[1], []
        elif name is not None and (match := _INSTRUCTION.match(line)):
            address, first, rest = match.groups()
            while first in _PREFIXES and rest:
                first, _, rest = rest.partition(" ")
            found.append(Instruction(int(address, 16), first, rest.strip()))
    if name is not None:
        yield name, found


def foreign_instruction(folder: str, instruction: Instruction) -> bool:
    """Whether an object of this folder must not hold the instruction."""
    if (folder, instruction.name) in _ALLOWED:
        return False
    if folder in ("common", "scalar", "sse2"):
        return bool(_LATER.fullmatch(instruction.name)) or "%ymm" in instruction.operands
    return folder == "avx2" and bool(_AVX512.search(instruction.operands))


def loops(body: list[Instruction]) -> Iterator[list[Instruction]]:
    """The innermost loops: from the target of a jump back to the jump, without another inside."""
    places = {instruction.address: i for i, instruction in enumerate(body)}
    found = []
    for i, instruction in enumerate(body):
        target = re.match(r"([0-9a-f]+)\b", instruction.operands)
        if instruction.name.startswith("j") and target:
            start = places.get(int(target[1], 16))
            if start is not None and start <= i:
                found.append((start, i))
    for start, end in found:
        if not any(start <= a and b <= end and (a, b) != (start, end) for a, b in found):
            yield body[start : end + 1]


_MULTIPLY_ADD = re.compile(r"vfmadd\d+p[sd]|mulp[sd]")


def spills(loop: list[Instruction], framed: bool) -> int:
    """Vectors that a loop stores to or loads from the stack; `framed`: %rbp points there too."""
    stack = re.compile(r"\(%r[sb]p[),]" if framed else r"\(%rsp[),]")
    return sum(
        1
        for instruction in loop
        if "mm" in instruction.operands and stack.search(instruction.operands)
    )


def tile_loops(body: list[Instruction], least: int) -> Iterator[tuple[int, int]]:
    """(multiply-adds, spills) of each loop of a register tile: one with at least so many."""
    framed = any(
        instruction.name == "mov" and instruction.operands == "%rsp,%rbp"
        for instruction in body[:8]
    )
    for loop in loops(body):
        count = sum(1 for instruction in loop if _MULTIPLY_ADD.fullmatch(instruction.name))
        if count >= least:
            yield count, spills(loop, framed)


def _listing(file: Path) -> str:
    command = ["objdump", "-d", "--no-show-raw-insn", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _is_tile(file: Path, tier: str) -> bool:
    """Whether an object holds a register tile, written for this tier's registers."""
    tiles = ("conv_lanes", "conv_tile", "dot_tile", "pixel_tile", "plane_tile")
    return file.stem in tiles and tier in ("sse2", "avx2", "avx512")


def check(build: Path) -> list[str]:
    """One line for each instruction or loop under build/obj that breaks a rule; empty: none."""
    found = []
    objects = sorted((build / "obj").rglob("*.o"))
    if not objects:
        return [f"{build}/obj holds no objects: make -C csrc first"]
    for file in objects:
        parts = file.relative_to(build / "obj").parts
        tiles = 0
        for function, body in functions(_listing(file)):
            for instruction in body:
                if foreign_instruction(parts[0], instruction):
                    found.append(
                        f"{'/'.join(parts)}: {function} has {instruction.name} "
                        f"{instruction.operands}, which {parts[0]} objects must not hold"
                    )
            if _is_tile(file, parts[0]) and file.stem in function:
                for count, spilled in tile_loops(body, least=4):
                    tiles += 1
                    if spilled:
                        found.append(
                            f"{'/'.join(parts)}: {function} spills {spilled} vectors in a loop of "
                            f"{count} multiply-adds"
                        )
        if _is_tile(file, parts[0]) and not tiles:
            found.append(f"{'/'.join(parts)}: no loop of a register tile was found")
    return found


def main(arguments: list[str]) -> int:
    """Print what breaks the rules; 1 when something does."""
    build = Path(arguments[0]) if arguments else Path("csrc/build")
    found = check(build)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

/** The code points of the first two planes: no letter beyond them has a case. */
export function letters(): readonly string[] {
  const all = Array.from({ length: 0x20000 }, (_, code) => code)
  return all
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
}

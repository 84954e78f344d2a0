/** As OPA: 100 ms, 1.6 times as long after each failure, a fifth more or less. */
const millisecondsMin = 100
const factor = 1.6

/** How long to wait after so many failures in a row, one at least, before a server is asked again. */
export function retryPauseMilliseconds(
  failures: number,
  { millisecondsMax, random }: { readonly millisecondsMax: number; readonly random: () => number },
): number {
  const grown = millisecondsMin * factor ** (failures - 1)
  return Math.min(grown, millisecondsMax) * (0.8 + 0.4 * random())
}

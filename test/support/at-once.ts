/** What a key in this process gives without waiting, as its tests go on with it. */
export function atOnce<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new TypeError('want=a value at once got=a promise')
  return value
}

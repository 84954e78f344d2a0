/** At once where it can be: waiting for what is there already costs a turn of the loop. */
export type Soon<T> = T | Promise<T>

/** Goes on with a value as soon as it is there. */
export function whenThere<T, U>(soon: Soon<T>, next: (value: T) => Soon<U>): Soon<U> {
  return soon instanceof Promise ? soon.then(next) : next(soon)
}

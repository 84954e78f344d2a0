import { cut } from '../errors.ts'
import type { Log } from '../log.ts'

/** What a server inside says beside its messages, for the log: it is not trusted, so there is a bound of lines and of their length. */
export interface Sayings {
  readonly say: (text: string) => void
  /** Tells what was left out. */
  end(): void
}

const charactersMax = 1000
const linesMax = 100
const windowMilliseconds = 10_000

export function createSayings(
  log: Log,
  now: () => number = performance.now.bind(performance),
): Sayings {
  let since = now()
  let said = 0
  const end = (): void => {
    if (said > linesMax) log.warn({ leftOut: said - linesMax }, 'the server inside says too much')
    said = 0
  }
  return {
    say(text) {
      if (now() - since >= windowMilliseconds) {
        end()
        since = now()
      }
      said += 1
      if (said <= linesMax) log.info({ text: cut(text, charactersMax) }, 'the server inside says')
    },
    end,
  }
}

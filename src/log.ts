import { pino } from 'pino'

/** Structured log: variables in fields, then a constant message. Never a secret, a token or tool arguments. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A JSON log, one object a line, to a file (0600) or a descriptor (stderr by default: stdout belongs to results). */
export function createLog(
  options: {
    readonly level?: LogLevel
    readonly name?: string
    readonly fd?: number
    readonly file?: string
  } = {},
): Log {
  return pino(
    {
      level: options.level ?? 'info',
      base: options.name === undefined ? null : { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ dest: options.file ?? options.fd ?? 2, sync: true, mode: 0o600 }),
  )
}

/** A log that keeps nothing. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

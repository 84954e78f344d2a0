/** The levels of messages, the least first (RFC 5424 §6.2.1, as MCP 2025-11-25 logging names them). */
export const loggingLevels = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const

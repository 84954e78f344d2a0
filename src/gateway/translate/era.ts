import type { Era } from '../../mcp/message.ts'

/** The era in which a server is spoken to: the caller's, in which nothing is translated, wherever the server speaks that one. */
export function eraThere(era: Era, { eras }: { readonly eras: readonly Era[] }): Era {
  if (eras.includes(era)) return era
  return era === 'modern' ? 'legacy' : 'modern'
}

/** Whether what is said to this server, and what it answers, has to be translated. */
export function isAcross(era: Era, server: { readonly eras: readonly Era[] }): boolean {
  return eraThere(era, server) !== era
}

/**
 * Gives up a timer that keeps no process up, and whose duration is hardly another's. Of one that is only cleared Node keeps the list of
 * that duration until its time would have come, since it takes it for one of many: for an hour, for each connection that has ended at once.
 */
export function clearDeadline(timer: NodeJS.Timeout | undefined): void {
  timer?.ref()
  clearTimeout(timer)
}

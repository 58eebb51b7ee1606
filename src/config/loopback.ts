/** Whether only this machine can reach what listens at the host. */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1'].includes(host) || /^127\.[\d.]+$/.test(host);
}

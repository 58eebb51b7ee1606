/** Whether a version such as `5.5.1` or `5.5.1.post0` is at least another; undefined: it can't be told. */
export function atLeast(
  version: string | null | undefined,
  [major, minor, patch = 0]: readonly number[],
): boolean | undefined {
  const [, ...found] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version ?? '') ?? [];
  if (found.length === 0) return undefined;
  const wanted = [major ?? 0, minor ?? 0, patch];
  for (const [at, part] of wanted.entries()) {
    const own = Number(found[at] ?? 0);
    if (own !== part) return own > part;
  }
  return true;
}

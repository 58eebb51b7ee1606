/** Where the four endpoints are under a base path. */
export function pathsUnder(basePath: string) {
  return {
    refresh: `${basePath}/refresh`,
    verify: `${basePath}/verify`,
    blacklist: `${basePath}/blacklist`,
    sliding: `${basePath}/sliding/refresh`,
  };
}

// For `node --require`: says at the end of the process which packages below a scope it has loaded.
const Module = require('node:module');
const { appendFileSync } = require('node:fs');

process.on('exit', () => {
  const names = Object.keys(Module._cache).flatMap((file) => {
    const name = /node_modules\/(@opentelemetry\/[^/]+)\//.exec(file.replaceAll('\\', '/'))?.[1];
    return name === undefined ? [] : [name];
  });
  appendFileSync(process.env.LOADED_PACKAGES, `${JSON.stringify([...new Set(names)].sort())}\n`);
});

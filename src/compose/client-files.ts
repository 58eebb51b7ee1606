import { readFileSync } from 'node:fs';

export interface ClientFiles {
  readonly tokenManager: string;
  readonly idle: string;
  readonly worker: string;
  readonly serviceWorker: string;
}

/** The browser's files as the build made them. */
export function readClientFiles(): ClientFiles {
  const read = (name: string): string => readFileSync(new URL(`../client/${name}`, import.meta.url), 'utf8');
  return {
    tokenManager: read('token-manager.js'),
    idle: read('idle.js'),
    worker: read('worker.js'),
    serviceWorker: read('service-worker.js'),
  };
}

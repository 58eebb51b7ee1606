import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../config/errors.js';
import { FileReader } from '../config/files.js';
import type { SettingsReader } from '../config/reader.js';
import type { ServeSettings } from '../config/settings.js';
import { processSource } from '../config/source.js';
import { renewalFault, type TlsPair } from '../config/tls-pair.js';
import { KeyError } from '../jwt/key-error.js';
import { describeError } from '../observe/errors.js';
import type { Log, LogFields } from '../observe/log.js';
import { watchBeside } from './file-watch.js';
import { keyRenewal } from './key-renewal.js';
import { isSamePair, type Renewal, type Renewing } from './renewal.js';

export interface ReloadsOptions {
  readonly settings: ServeSettings;
  readonly read: SettingsReader<ServeSettings>;
  readonly server: Renewing;
  readonly wallClockMs: () => number;
  readonly log: Log;
}

/** A file that is being written has another text a moment later: half of a secret is a secret, too. */
const SETTLE_MS = 250;

const STAYS = 'What was in use stays in use.';
const TRIED_AGAIN = 'It is tried again when a file changes.';
const UNCHANGED =
  'the files hold the keys and the certificate in use; what comes from the environment is read at the start only';
const NOT_KEPT =
  'the signing key that was in use is not among the new verifying keys: its tokens are refused from now on (401). To keep them, name its file as --verifying-key-file';
const UNCONFIRMED =
  'a worker did not confirm the reload: until it does, or is started again, it works with what was in use before';

/** Reads keys and certificates again and gives them to the server: all that was read, or nothing. */
export class Reloads {
  readonly #options: ReloadsOptions;
  #inUse: Renewal;
  /** Reloads come one after the other. */
  #last: Promise<void> = Promise.resolve();
  /** What is wrong with the certificate's files, as it was told: once, and not at each look. */
  #toldFault: string | undefined;

  constructor(options: ReloadsOptions) {
    this.#options = options;
    this.#inUse = options.server.inUse();
  }

  /** Keys and certificate, for SIGHUP. Never rejects: what is wrong is told in the log, and nothing has changed. */
  all(): Promise<void> {
    const { log } = this.#options;
    const refused = (fields: LogFields): void => log.error('reload_refused', fields);
    return this.#inTurn(refused, async () => {
      const settings = await this.#readWhole();
      const { tls } = settings.http;
      const isNewPair = tls !== undefined && !isSamePair(tls, this.#inUse.tls);
      const fault = isNewPair ? this.#faultOf(tls) : undefined;
      if (fault !== undefined) throw new ConfigError([fault]);
      const keys = await keyRenewal(this.#inUse.keys, settings);
      const changed = [...keys.changed, ...(isNewPair ? ['the certificate'] : [])];
      for (const cause of keys.weaknesses) log.warn('weak_key', { cause });
      if (!keys.keepsOld) log.warn('signing_key_not_kept', { cause: NOT_KEPT });
      if (keys.accept !== undefined) await this.#prepare({ keys: keys.accept, tls: this.#inUse.tls });
      if (changed.length === 0) log.info('reload_unchanged', { cause: UNCHANGED });
      else await this.#give({ keys: keys.use, tls }, changed.join(', '));
    });
  }

  /** The certificate's files may have changed. Never rejects. */
  certificate(): Promise<void> {
    const { log } = this.#options;
    const refused = (fields: LogFields): void => log.error('certificate_refused', fields);
    return this.#inTurn(refused, async () => {
      const { tlsFiles } = this.#options.settings.http;
      if (tlsFiles === undefined) return;
      const problems: string[] = [];
      const files = new FileReader(processSource(), problems);
      const cert = files.read('--tls-cert', tlsFiles.cert);
      const key = files.read('--tls-key', tlsFiles.key);
      const pair = cert === undefined || key === undefined ? undefined : { cert, key };
      const isSame = pair !== undefined && isSamePair(pair, this.#inUse.tls);
      const fault = isSame ? undefined : pair === undefined ? problems.join(' ') : this.#faultOf(pair);
      const isTold = fault === this.#toldFault;
      this.#toldFault = fault;
      if (pair !== undefined && !isSame && fault === undefined) {
        await this.#give({ keys: this.#inUse.keys, tls: pair }, 'the certificate');
      } else if (fault !== undefined && !isTold) {
        refused({ cause: `${fault} ${STAYS} ${TRIED_AGAIN}` });
      }
    });
  }

  /** Looks after the certificate's files; returns how to stop it. */
  watch(): () => void {
    const { tlsFiles } = this.#options.settings.http;
    if (tlsFiles === undefined) return () => undefined;
    return watchBeside([tlsFiles.cert, tlsFiles.key], () => void this.certificate());
  }

  #inTurn(refused: (fields: LogFields) => void, work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error: unknown) => {
      if (error instanceof ConfigError) {
        for (const problem of error.problems) refused({ cause: `${problem} ${STAYS}` });
      } else if (error instanceof KeyError) {
        refused({ error_code: error.code, cause: `${error.message} ${STAYS}` });
      } else {
        refused({ ...describeError(error), cause: STAYS });
      }
    });
    return this.#last;
  }

  async #readWhole(): Promise<ServeSettings> {
    const first = this.#options.read();
    await sleep(SETTLE_MS);
    const { settings, files } = this.#options.read();
    const changing = Object.keys(files).find((path) => first.files[path] !== files[path]);
    if (changing === undefined) return settings;
    throw new ConfigError([`The file ${changing} is being written. Send SIGHUP again when it is whole.`]);
  }

  #faultOf(pair: TlsPair): string | undefined {
    return renewalFault(pair, this.#options.wallClockMs());
  }

  /** Lets all who serve accept what is to come; where one doesn't say that it does, nothing comes. */
  async #prepare(renewal: Renewal): Promise<void> {
    const { renew } = this.#options.server;
    const silent = await renew(renewal);
    if (silent.length === 0) return;
    await renew(this.#inUse);
    throw new ConfigError([
      `Of the workers ${silent.join(', ')} did not confirm the new keys in time. Send SIGHUP again when they answer (log worker_died: or are started again).`,
    ]);
  }

  async #give(renewal: Renewal, cause: string): Promise<void> {
    const { server, log } = this.#options;
    this.#inUse = renewal;
    const silent = await server.renew(renewal);
    for (const worker of silent) log.error('reload_unconfirmed', { worker, cause: UNCONFIRMED });
    log.info('reloaded', { cause });
  }
}

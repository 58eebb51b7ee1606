import { StrictMode, useEffect, useState, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { TokenManager } from 'carelink-tokens/client';
import { sessionHook } from 'carelink-tokens/client/react';
import { refreshWorker } from 'carelink-tokens/client/worker';

// One a page, outside of any component: StrictMode and remounting must not make a second one.
export const tokens = new TokenManager({
  storage: 'session',
  serviceWorker: refreshWorker('/account/token/client/service-worker.js'),
});

/** The session, in step with all tabs. */
export const useSession = sessionHook(tokens, useSyncExternalStore);

function Patients() {
  const [answer, setAnswer] = useState('…');
  useEffect(() => {
    // Leaving the page aborts this request, and nobody else's refresh.
    const leaving = new AbortController();
    tokens
      .authenticatedFetch('/api/patients/', { signal: leaving.signal })
      .then(async (response) => setAnswer(await response.text()))
      .catch((error) => {
        if (!leaving.signal.aborted) setAnswer(error.message);
      });
    return () => leaving.abort();
  }, []);
  return <pre id="answer">{answer}</pre>;
}

function App() {
  const { status, userId } = useSession();
  if (status === 'restoring') return <p id="status">One moment …</p>;
  if (status === 'signedOut') return <p id="status">signedOut</p>;
  return (
    <>
      <p id="status">Signed in as {String(userId)}</p>
      <button id="logout" onClick={() => tokens.logout()}>
        Log out
      </button>
      <Patients />
    </>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
// For your log-in form: await tokens.setTokens({ access, refresh }).
window.tokens = tokens;

// Jupyter widgets that work in the page. Their manager weighs 2 MB, so it is fetched only when the
// first widget of the page comes near the window.

const NEAR = "800px";

const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]');

// The manager speaks to version 2 of MathJax; the page has version 3.
function answerAsVersion2(MathJax) {
  if (MathJax?.typesetPromise && !MathJax.Hub) {
    MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise([element]) };
  }
}

async function loadManager() {
  observer.disconnect();
  await window.MathJax?.startup?.promise;
  answerAsVersion2(window.MathJax);
  const script = document.createElement("script");
  script.src = new URL("vendor/html-manager/embed.js", import.meta.url).href;
  // The manager draws the widgets when the window has loaded, which was before it came: say it again.
  script.addEventListener("load", () => window.dispatchEvent(new Event("load")));
  document.head.append(script);
}

const observer = new IntersectionObserver(
  (entries) => entries.some((entry) => entry.isIntersecting) && loadManager(),
  { rootMargin: NEAR },
);

function watch() {
  views.forEach((view) => observer.observe(view.parentElement));
}

if (document.readyState === "complete") watch();
else window.addEventListener("load", watch, { once: true });

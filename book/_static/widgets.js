// Jupyter widgets that work in the page. Their manager weighs 2 MB, so it is fetched only when the
// first widget of the page comes near the window. No module, so that it also works from a file.
(() => {
  const NEAR = "800px";
  const VIEWS = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const MANAGER = new URL("vendor/html-manager/embed.js", document.currentScript.src).href;

  // The manager speaks to version 2 of MathJax; the page has version 3.
  function answerAsVersion2(MathJax) {
    if (MathJax?.typesetPromise && !MathJax.Hub) {
      MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise([element]) };
    }
  }

  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    await window.MathJax?.startup?.promise;
    answerAsVersion2(window.MathJax);
    const script = document.createElement("script");
    script.src = MANAGER;
    // The manager draws when the window has loaded, which was before it came: say it again.
    script.addEventListener("load", () => window.dispatchEvent(new Event("load")));
    document.head.append(script);
  }, { rootMargin: NEAR });

  window.addEventListener("load", () => {
    document.querySelectorAll(VIEWS).forEach((view) => observer.observe(view.parentElement));
  }, { once: true });
})();

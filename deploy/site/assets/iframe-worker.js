// Search runs in a worker, and a page that was opened from a disk may not start one. There a hidden frame
// takes its place: same script, same messages, in the page's own thread.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      frame.srcdoc = "<!doctype html><body></body>";
      frame.addEventListener("load", () => this.start(frame.contentWindow, url), { once: true });
      document.body.append(frame);
    }

    start(inner, url) {
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inner.document.createElement("script");
      script.src = url;
      script.addEventListener("load", () => {
        this.inner = inner;
        this.waiting.splice(0).forEach((data) => this.postMessage(data));
      });
      inner.document.body.append(script);
    }

    postMessage(data) {
      if (this.inner) {
        this.inner.dispatchEvent(new this.inner.MessageEvent("message", { data }));
      } else {
        this.waiting.push(data);
      }
    }
  };
  window.Worker = window.IFrameWorker;
}
